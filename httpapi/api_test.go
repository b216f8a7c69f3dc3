package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify/verdict"
)

// asked is what a fake engine was asked; it answers by the input.
type engine struct {
	input, sender, tenant string
	budget                time.Duration
	door                  policy.Door
}

func (e *engine) VerifyNow(ctx context.Context, input, sender, tenant string, budget time.Duration, door policy.Door) (*verdict.Verdict, string) {
	*e = engine{input, sender, tenant, budget, door}
	now := time.Unix(1e9, 0)
	switch input {
	case "panic":
		panic("boom")
	case "wait":
		<-ctx.Done()
		return verdict.New(verdict.Pending, "", now), input
	case "no at":
		return verdict.New(verdict.InvalidSyntax, "", now), ""
	}
	return verdict.New(verdict.Accepted, verdict.FromProbe, now), input
}

type fixture struct {
	*API
	engine   *engine
	troubles []Trouble
	unready  string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{engine: &engine{}}
	api, err := New(Options{
		Verifier: f.engine, Metrics: NewMetrics(MetricsOptions{Version: "test"}),
		Dialogue: func(id string) (*audit.Probe, bool) {
			return &audit.Probe{ProbeID: id, Replies: []string{"rcpt 250 ok"}}, id == "known"
		},
		Health:  func() []Trouble { return f.troubles },
		Unready: func() string { return f.unready },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.API = api
	return f
}

// ask sends one request to a handler.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNewWantsItsParts(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no error")
	}
}

func TestVerify(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]struct {
		engine engine
		reason string
	}{
		`{"address":"a@x.test"}`: {engine{"a@x.test", "", "", time.Minute, policy.DoorAPI}, "accepted"},
		`{"address":"no at","sender":"s@y.test","tenant":"t","budget_ms":1500}`: {engine{"no at", "s@y.test", "t", 1500 * time.Millisecond, policy.DoorAPI}, "invalid_syntax"},
		`{"address":"","budget_ms":0}` + "\n":                                   {engine{"", "", "", 0, policy.DoorAPI}, "accepted"},
	} {
		w := ask(f.Admin(), "POST", "/v1/verify", body)
		var got struct {
			V      int
			Reason string
			Input  string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.V != 1 || got.Reason != want.reason || got.Input != want.engine.input {
			t.Errorf("%s: %d %s (%v)", body, w.Code, w.Body, err)
		}
		if *f.engine != want.engine {
			t.Errorf("%s: asked %+v, want %+v", body, *f.engine, want.engine)
		}
		if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("header %v", w.Header())
		}
	}
	ask(f.Admin(), "POST", "/v1/verify", `{"address":"a"}`, "Rcptgate-Door", "cli", "Content-Type", "application/json; charset=utf-8")
	if f.engine.door != policy.DoorCLI {
		t.Errorf("door %q", f.engine.door)
	}
}

func TestProblems(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		method, target, body string
		code                 int
	}{
		{"GET", "/v1/verify", "", 405},
		{"POST", "/v1/verify", "", 400},
		{"POST", "/v1/verify", "{", 400},
		{"POST", "/v1/verify", "[]", 400},
		{"POST", "/v1/verify", "{}", 400},
		{"POST", "/v1/verify", `{"address":null}`, 400},
		{"POST", "/v1/verify", `{"address":1}`, 400},
		{"POST", "/v1/verify", `{"address":"a","adress":"b"}`, 400},
		{"POST", "/v1/verify", `{"address":"a"}{}`, 400},
		{"POST", "/v1/verify", `{"address":"a"} x`, 400},
		{"POST", "/v1/verify", `{"address":"a","sender":"@"}`, 400},
		{"POST", "/v1/verify", `{"address":"a","sender":"a b\u0000@c"}`, 400},
		{"POST", "/v1/verify", `{"address":"a","budget_ms":-1}`, 400},
		{"POST", "/v1/verify", `{"address":"a","budget_ms":600001}`, 400},
		{"POST", "/v1/verify", `{"address":"a","budget_ms":1.5}`, 400},
		{"POST", "/v1/verify", `{"address":"a","budget_ms":99999999999999999999}`, 400},
		{"POST", "/v1/verify", `{"address":"` + strings.Repeat("a", maxBody) + `"}`, 413},
		{"POST", "/v1/verify", `{"address":"panic"}`, 500},
		{"GET", "/v1/dialogue", "", 400},
		{"GET", "/v1/dialogue?probe_id=lost", "", 404},
		{"POST", "/healthz", "", 405},
		{"GET", "/v2", "", 404},
	} {
		w := ask(f.Admin(), c.method, c.target, c.body)
		var p struct {
			Type, Title, Detail string
			Status              int
		}
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if err != nil || w.Code != c.code || p.Status != c.code || p.Type != "about:blank" || p.Title == "" || p.Detail == "" ||
			w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %.60s: %d %s (%v)", c.method, c.target, c.body, w.Code, w.Body, err)
		}
	}
	w := ask(f.Admin(), "POST", "/v1/verify", "address=a", "Content-Type", "application/x-www-form-urlencoded")
	if w.Code != 415 {
		t.Errorf("form: %d", w.Code)
	}
}

// TestPublicShowsNothing: without a token a TCP listener has health and
// metrics only.
func TestPublicShowsNothing(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/v1/verify", "/v1/dialogue?probe_id=known", "/v1/cache", "/", "/debug/pprof/"} {
		for _, method := range []string{"GET", "POST"} {
			if w := ask(f.Public(), method, target, `{"address":"a"}`); w.Code != 404 {
				t.Errorf("%s %s: %d", method, target, w.Code)
			}
		}
	}
	if f.engine.input != "" {
		t.Error("the engine was asked")
	}
}

// TestNothingHere: who asks for a page that there is not is told of those that
// there are.
func TestNothingHere(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		h     http.Handler
		pages []string
	}{
		{f.Public(), []string{"/healthz", "/readyz", "/metrics"}},
		{f.Admin(), []string{"/v1/verify", "/v1/dialogue", "/healthz", "/readyz", "/metrics"}},
	} {
		text := ask(c.h, "GET", "/v1/other", "").Body.String()
		for _, page := range c.pages {
			if !strings.Contains(text, page) {
				t.Errorf("%s is not in %s", page, text)
			}
		}
	}
}

func TestDialogue(t *testing.T) {
	f := newFixture(t)
	w := ask(f.Admin(), "GET", "/v1/dialogue?probe_id=known", "")
	var got struct {
		Event, ProbeID string
		Replies        []string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Event != "probe" || len(got.Replies) != 1 {
		t.Errorf("%d %s (%v)", w.Code, w.Body, err)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	f := newFixture(t)
	get := func(path string, code int, want string) {
		t.Helper()
		if w := ask(f.Public(), "GET", path, ""); w.Code != code || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	get("/healthz", 200, `{"status":"green","troubles":[]}`)
	get("/readyz", 200, `{"ready":true}`)
	f.troubles = []Trouble{{PartStore, "disk full", ""}, {PartConfig, "refused", `"ada@far.test" is twice`}}
	f.unready = "hostname is not set"
	get("/healthz", 503, `{"status":"red","troubles":[{"part":"store","why":"disk full"},{"part":"config","why":"refused"}]}`)
	get("/readyz", 503, `{"ready":false,"why":"hostname is not set"}`)
	if w := ask(f.Admin(), "GET", "/healthz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), `"why":"refused","detail":"\"ada@far.test\" is twice"`) {
		t.Errorf("on the admin socket: %d %s", w.Code, w.Body)
	}
}

// TestServer goes through a real listener: a shutdown ends the waits at once,
// with an answer.
func TestServer(t *testing.T) {
	f := newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	admin := f.Admin()
	srv := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		admin.ServeHTTP(w, r)
	}), nil)
	served, answered := make(chan error), make(chan string)
	go func() { served <- srv.Serve(l) }()
	go func() {
		resp, err := http.Post("http://"+l.Addr().String()+"/v1/verify", "application/json", strings.NewReader(`{"address":"wait"}`))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answered <- string(b)
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shut := make(chan error)
	go func() { shut <- srv.Shutdown(ctx) }()
	if got := <-answered; !strings.Contains(got, `"reason":"pending"`) {
		t.Errorf("answer %q", got)
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}

func FuzzVerifyRequest(f *testing.F) {
	for _, s := range []string{
		`{"address":"a@x.test"}`, `{"address":"\u0000","budget_ms":1}`, `{"address":"\ud800"}`, `[`, `{"address":{}}`,
		`{"ADDRESS":"a"}`, `{"address":"a","budget_ms":1e3}`, "\xef\xbb\xbf{}",
	} {
		f.Add(s)
	}
	fix := newFixture(f)
	h := fix.Admin()
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "wait") || strings.Contains(body, "panic") || strings.Contains(body, `\u`) {
			return // words of the fake engine
		}
		w := ask(h, "POST", "/v1/verify", body)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("answer %q", w.Body)
		}
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("code %d", w.Code)
		}
	})
}
