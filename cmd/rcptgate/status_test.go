package main

import (
	"errors"
	"os/exec"
	"strconv"
)

// exitStatus returns the exit code behind an error of os/exec as text.
func exitStatus(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}
