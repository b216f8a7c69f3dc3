package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rcptgate/verify/reply"
)

// maxClassifyLine bounds one JSON object of the input; a reply has 16 KiB at
// most, and JSON may write each byte as six.
const maxClassifyLine = 128 << 10

func newClassify(tty terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "classify",
		Short: "judge SMTP replies from standard input, one JSON object a line",
		Long: `Reads one JSON object a line:

  {"id": "1", "stage": "rcpt", "code": 550, "enhanced": "5.1.1", "text": "no such user", "host": "mx.example.org"}

and prints for each

  {"id": "1", "status": "undeliverable", "reason": "mailbox_not_found", "scope": "recipient", "rule": "..."}

stage is one of connect ehlo helo starttls mail rcpt data in any case; absent or another word means
rcpt. The status is that of the reason as if its control had passed. A bad line gives {"id", "error"}, and the
exit code at the end is 1.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return classify(tty.in, tty.out) },
	}
}

// classify judges each line of in. An overlong line is a bad line, not the end.
func classify(in io.Reader, out io.Writer) error {
	br := bufio.NewReaderSize(in, maxClassifyLine)
	bw := bufio.NewWriter(out)
	bad := false
	for {
		line, err := br.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(fmt.Errorf("read standard input: %w", err), bw.Flush())
		}
		switch {
		case tooLong:
			bad = true
			fmt.Fprintf(bw, "{\"id\":null,\"error\":\"line longer than %d bytes\"}\n", maxClassifyLine)
		case len(bytes.TrimSpace(line)) > 0:
			answer, err := reply.JudgeLine(line)
			bad = bad || err != nil
			bw.Write(answer)
			bw.WriteByte('\n')
		}
		// Who pipes lines in one by one sees each answer at once.
		if br.Buffered() == 0 || err != nil {
			if ferr := bw.Flush(); ferr != nil {
				return fmt.Errorf("write standard output: %w", ferr)
			}
		}
		if err != nil {
			break
		}
	}
	if bad {
		return errSilent
	}
	return nil
}
