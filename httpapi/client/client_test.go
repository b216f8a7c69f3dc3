package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rcptgate/httpapi/client"
)

// listen serves a handler on a unix socket and returns its path.
func listen(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return path
}

func TestVerify(t *testing.T) {
	path := listen(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/verify" || string(b) != `{"address":"a@x.test","budget_ms":60000}` || r.Header.Get("Rcptgate-Door") != "cli" {
			t.Errorf("request %s %s %s", r.Method, r.URL, b)
		}
		_, _ = io.WriteString(w, "{\"v\":1}\n")
	})
	got, err := client.New(path).Verify(t.Context(), client.Request{Address: "a@x.test", BudgetMS: 60000})
	if err != nil || string(got) != `{"v":1}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestBadAnswers(t *testing.T) {
	for _, answer := range []string{"", "{", "{\n}", strings.Repeat(" ", 2<<20) + "{}"} {
		path := listen(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if got, err := client.New(path).Verify(t.Context(), client.Request{}); err == nil {
			t.Errorf("%.10q: %s", answer, got)
		}
	}
}

func TestProblem(t *testing.T) {
	path := listen(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Query().Get("probe_id") == "known":
			_, _ = io.WriteString(w, `{"replies":["connect 220 hi","rcpt 250 ok"]}`)
		case r.URL.Path == "/v1/dialogue":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"title":"Bad Request","status":400,"detail":"\u001b[2J"}`)
		}
	})
	c := client.New(path)
	_, err := c.Verify(t.Context(), client.Request{})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != 400 || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("error %v", err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("a daemon in trouble: %v", err)
	}
	if lines, err := c.Dialogue(t.Context(), "known"); err != nil || len(lines) != 2 {
		t.Errorf("%q, %v", lines, err)
	}
	if lines, err := c.Dialogue(t.Context(), "a b&c"); err != nil || lines != nil {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestNoDaemon(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "absent"), filepath.Join(dir, "no", "dir"), stale, file} {
		if err := client.New(path).Ping(t.Context()); !errors.Is(err, client.ErrNoDaemon) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := listen(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if _, err := client.New(path).Verify(ctx, client.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, "{}")
	f.Add(400, `{"status":"x"}`)
	f.Add(500, "\xff")
	type answer struct {
		code int
		body string
	}
	answers := make(chan answer, 1)
	path := filepath.Join(f.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := <-answers
		w.WriteHeader(a.code)
		_, _ = io.WriteString(w, a.body)
	})}
	go func() { _ = srv.Serve(l) }()
	f.Cleanup(func() { _ = srv.Close() })
	c := client.New(path)
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := answer{200 + (status%400+400)%400, body}
		answers <- a
		got, err := c.Verify(t.Context(), client.Request{})
		if err == nil && !json.Valid(got) {
			t.Errorf("%+v became %q", a, got)
		}
	})
}
