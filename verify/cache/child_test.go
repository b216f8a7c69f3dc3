package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// children are what this binary does when a test starts it again.
var children = map[string]func(dir string) error{
	"writes": childWrites,
	"disk":   childDisk,
}

func child(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), "RCPTGATE_CACHE_CHILD="+mode, "RCPTGATE_CACHE_DIR="+dir)
	return c
}

// childWrites puts verdicts until it is killed, and prints how many of them are
// on the disk.
func childWrites(dir string) error {
	s, err := Open(Options{Path: dir})
	if err != nil {
		return err
	}
	for i := uint64(0); ; {
		for range 3000 {
			s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
			i++
		}
		for s.Stats().Pending > 0 {
			runtime.Gosched()
		}
		fmt.Println(i)
	}
}

// TestKilled: after kill -9 in the middle of a write all is there that was on
// the disk, and the file is as good as ever.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := child(t, "writes", dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var written uint64
	lines := bufio.NewScanner(out)
	for range 5 {
		if !lines.Scan() {
			t.Fatalf("the child ended: %v", c.Wait())
		}
		if written, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(lines.Text())
		}
	}
	// No pause: the next batches are being written.
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	s, f, log := newTestFile(t, dir, limits{})
	if n := count(s, written); n != int(written) || asideFiles(t, dir) != nil {
		t.Errorf("%d of %d, set aside %v, log %s", n, written, asideFiles(t, dir), log)
	}
	all, err := f.all(verdicts)
	if err != nil || len(all) != s.Stats().Verdicts {
		t.Errorf("%d verdicts, counted %d, %v", len(all), s.Stats().Verdicts, err)
	}
}

// TestDisk runs childDisk where it may mount a small disk.
func TestDisk(t *testing.T) {
	t.Parallel()
	c := child(t, "disk", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || strings.Contains(string(out), "mount a small disk") {
		t.Skipf("NOT RUN: full and read-only disks need user and mount namespaces, which are forbidden here: %v %s", err, out)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// childDisk fills a disk of 2 MB, enlarges it, and makes it read-only and
// writable again: no put is lost to the reader, health tells, writing resumes.
func childDisk(dir string) error {
	mount := func(flags uintptr, options string) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", flags, options)
	}
	if err := mount(0, "size=2m"); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	begin := func() (*Store, error) {
		f, err := openStore(Options{Path: dir, Logger: log}, limits{retry: time.Millisecond})
		if err != nil {
			return nil, err
		}
		return &Store{b: f}, nil
	}
	s, err := begin()
	if err != nil {
		return err
	}
	n := uint64(20_000)
	for i := range n {
		s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
	}
	if err := await(func() bool { return s.Healthy() != nil }); err != nil {
		return fmt.Errorf("a full disk is healthy: %w", err)
	}
	if err := s.Healthy(); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("health of a full disk: %w", err)
	}
	if found := count(s, n); found != int(n) {
		return fmt.Errorf("full disk: %d of %d", found, n)
	}
	if err := mount(syscall.MS_REMOUNT, "size=64m"); err != nil {
		return err
	}
	if err := await(func() bool { return s.Healthy() == nil && s.Stats().Pending == 0 }); err != nil {
		return fmt.Errorf("larger disk: %w, %+v, %w", err, s.Stats(), s.Healthy())
	}
	if err := s.Close(context.Background()); err != nil {
		return err
	}

	if err := mount(syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=64m"); err != nil {
		return err
	}
	if s, err = begin(); err != nil {
		return fmt.Errorf("read-only disk: %w", err)
	}
	if err := s.Healthy(); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("health of a read-only disk: %w", err)
	}
	s.PutVerdict(keyOf(n), sampleVerdict(time.Now()))
	if _, ok := s.GetVerdict(keyOf(n)); !ok {
		return errors.New("read-only disk: a verdict is lost")
	}
	if err := mount(syscall.MS_REMOUNT, "size=64m"); err != nil {
		return err
	}
	if err := await(func() bool { return s.Healthy() == nil && s.Stats().Pending == 0 }); err != nil {
		return fmt.Errorf("writable disk: %w, %w", err, s.Healthy())
	}
	if found := count(s, n+1); found != int(n)+1 {
		return fmt.Errorf("writable disk: %d of %d", found, n+1)
	}
	return s.Close(context.Background())
}

// await gives the writer's goroutine its turns.
func await(what func() bool) error {
	for deadline := time.Now().Add(time.Minute); !what(); runtime.Gosched() {
		if time.Now().After(deadline) {
			return errors.New("it does not happen within a minute")
		}
	}
	return nil
}
