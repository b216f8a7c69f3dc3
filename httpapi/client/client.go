// Package client is the command line's side of the admin socket: it asks a
// running daemon, and tells apart that there is none from that it may not be
// asked. It refuses to fall back on anything; that is for its caller.
//
// RFC 9110 (HTTP), RFC 9457 (problem documents).
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

var (
	// ErrNoDaemon: the socket is absent, or nobody listens on it.
	ErrNoDaemon = errors.New("no daemon answers")
	// ErrPermission: there is a socket, and we may not open it.
	ErrPermission = errors.New("permission denied")
)

const (
	dialTimeout = 5 * time.Second
	// slack is what an answer may take beyond its budget.
	slack = 15 * time.Second
	// defaultBudget is the daemon's, where the request names none.
	defaultBudget = time.Minute
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
	// maxConns bounds the connections, hence the addresses asked side by
	// side; more wait, and their time begins when they are asked. The daemon
	// serves 1000, so that one client leaves room for others.
	maxConns = 512
)

// Client asks one daemon. It is safe for concurrent use.
type Client struct {
	path  string
	http  *http.Client
	turns chan struct{} // one for each request under way
}

// New returns a client for the daemon whose admin socket is at path. It
// connects when it is asked to; idle connections close by themselves.
func New(path string) *Client {
	d := net.Dialer{Timeout: dialTimeout}
	return &Client{path: path, turns: make(chan struct{}, maxConns), http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: maxConns,
		IdleConnTimeout:     10 * time.Second,
		DisableCompression:  true,
	}}}
}

// Request asks for one verdict.
type Request struct {
	Address string `json:"address"`
	Sender  string `json:"sender,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	// BudgetMS is what to wait at most, in milliseconds; zero: 60 s.
	BudgetMS int64 `json:"budget_ms,omitempty"`
}

// Problem is the daemon's refusal of a request.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Error says what the daemon said.
func (p *Problem) Error() string { return fmt.Sprintf("the daemon says: %q (%d)", p.Detail, p.Status) }

// Verify returns the verdict as one line of JSON without a newline. The error
// is ErrNoDaemon, ErrPermission, ctx's, a *Problem, or of the connection.
func (c *Client) Verify(ctx context.Context, r Request) (json.RawMessage, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	budget := defaultBudget
	if r.BudgetMS > 0 {
		budget = time.Duration(r.BudgetMS) * time.Millisecond
	}
	b, err := c.do(ctx, budget, http.MethodPost, "/v1/verify", body)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSpace(b)
	if !json.Valid(b) || bytes.ContainsRune(b, '\n') {
		return nil, errors.New("the daemon's answer is not one line of JSON")
	}
	return b, nil
}

// Dialogue returns the lines of a recent SMTP dialogue, nil where the daemon
// knows none of this id.
func (c *Client) Dialogue(ctx context.Context, probeID string) ([]string, error) {
	b, err := c.do(ctx, 0, http.MethodGet, "/v1/dialogue?probe_id="+url.QueryEscape(probeID), nil)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var d struct {
		Replies []string `json:"replies"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("read the dialogue: %w", err)
	}
	return d.Replies, nil
}

// Ping returns nil when a daemon answers, whatever its health.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.do(ctx, 0, http.MethodGet, "/healthz", nil)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusServiceUnavailable {
		return nil // it lives, and is in trouble
	}
	return err
}

// do sends one request when it is its turn, and returns the body of the answer.
func (c *Client) do(ctx context.Context, budget time.Duration, method, path string, body []byte) ([]byte, error) {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, budget+slack)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://rcptgate"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Rcptgate-Door", "cli")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		p := Problem{Status: resp.StatusCode, Detail: resp.Status}
		_ = json.Unmarshal(b, &p) // else the status line must do
		p.Status = resp.StatusCode
		return nil, &p
	}
	return b, nil
}

// explain gives an error of the connection the name that callers branch on.
func (c *Client) explain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the made-up URL
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %s", ErrPermission, c.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return fmt.Errorf("%w at %s", ErrNoDaemon, c.path)
	}
	return err
}
