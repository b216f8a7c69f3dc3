// Package httpapi is the HTTP interface: health, readiness and metrics for
// everybody who can reach the listener, and the verdict of one address on the
// admin socket.
//
// It refuses to show anything else on a TCP listener, loopback too: who may
// ask for verdicts there must first be told apart by a token. It holds no
// verdict, no rule and no state but the counters. Errors are problem
// documents (RFC 9457); an address that cannot be parsed is none, it has a
// verdict like any other.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify/verdict"
)

// Verifier gives the verdict of one address; policy.Engine is one. It never
// fails, and returns when the verdict is final, the budget has ended, or ctx
// has. addr is empty when input cannot be parsed.
type Verifier interface {
	VerifyNow(ctx context.Context, input, sender, tenant string, budget time.Duration, door policy.Door) (v *verdict.Verdict, addr string)
}

// Options of an API. Functions must be safe for concurrent use and quick.
type Options struct {
	Verifier Verifier // required
	// Dialogue finds a recent SMTP dialogue by its probe id; required.
	Dialogue func(probeID string) (*audit.Probe, bool)
	// Health lists what is wrong; nil or empty: all is well.
	Health func() []Trouble
	// Unready says in words why nothing can be probed; nil or empty: ready.
	Unready func() string
	Metrics *Metrics     // required
	Logger  *slog.Logger // nil: no logs
}

// Part is a part of the daemon that can be in trouble.
type Part string

// The parts, as /healthz and rcptgate_trouble name them.
const (
	PartStore  Part = "store"  // verdicts do not reach the disk
	PartAudit  Part = "audit"  // audit lines were lost, or cannot be written
	PartBlind  Part = "blind"  // no MX of any site can be reached, or no connection be opened
	PartDNS    Part = "dns"    // no name server answers, or can be asked
	PartConfig Part = "config" // the last reload was refused; the old configuration is in force
)

// Parts returns all parts in the order of the documentation.
func Parts() []Part { return []Part{PartStore, PartAudit, PartBlind, PartDNS, PartConfig} }

// Trouble says which part is in trouble, and why. Detail may name anybody, and
// is for the admin socket alone.
type Trouble struct {
	Part   Part   `json:"part"`
	Why    string `json:"why"`
	Detail string `json:"detail,omitempty"`
}

// API makes the handlers.
type API struct{ o Options }

// New checks the options.
func New(o Options) (*API, error) {
	if o.Verifier == nil || o.Dialogue == nil || o.Metrics == nil {
		return nil, errors.New("httpapi: Verifier, Dialogue and Metrics are required")
	}
	if o.Health == nil {
		o.Health = func() []Trouble { return nil }
	}
	if o.Unready == nil {
		o.Unready = func() string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &API{o}, nil
}

// Public returns what a listener without a token serves: /healthz, /readyz
// and /metrics.
func (a *API) Public() http.Handler { return a.guard(a.pages(false)) }

// Admin returns what the admin socket serves: the above, with the details of
// troubles, /v1/verify and /v1/dialogue. Who may open the socket may ask.
func (a *API) Admin() http.Handler { return a.guard(a.pages(true)) }

func (a *API) pages(admin bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/healthz", only(func(w http.ResponseWriter, _ *http.Request) {
		troubles := a.o.Health()
		if !admin {
			troubles = publicly(troubles)
		}
		answerHealth(w, troubles)
	}, http.MethodGet, http.MethodHead))
	mux.Handle("/readyz", only(a.ready, http.MethodGet, http.MethodHead))
	mux.Handle("/metrics", only(a.o.Metrics.handler().ServeHTTP, http.MethodGet, http.MethodHead))
	nothing := "there is nothing here; /healthz, /readyz and /metrics are open to all"
	if admin {
		mux.Handle("/v1/verify", only(a.verify, http.MethodPost))
		mux.Handle("/v1/dialogue", only(a.dialogue, http.MethodGet, http.MethodHead))
		nothing = "there is nothing here; this socket serves /v1/verify, /v1/dialogue, /healthz, /readyz and /metrics"
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { problem(w, http.StatusNotFound, nothing) })
	return mux
}

// publicly returns troubles as everybody may read them.
func publicly(troubles []Trouble) []Trouble {
	out := slices.Clone(troubles)
	for i := range out {
		out[i].Detail = ""
	}
	return out
}

// answerHealth answers 200 while all is well and 503 with the reasons while
// anything is in trouble. That it answers says that the process lives.
func answerHealth(w http.ResponseWriter, t []Trouble) {
	body := struct {
		Status   string    `json:"status"`
		Troubles []Trouble `json:"troubles"`
	}{"green", []Trouble{}}
	code := http.StatusOK
	if len(t) > 0 {
		code, body.Status, body.Troubles = http.StatusServiceUnavailable, "red", t
	}
	answerJSON(w, code, body)
}

// ready answers 200 when addresses can be probed, 503 with the reason when
// they cannot; mail flows either way.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	body := struct {
		Ready bool   `json:"ready"`
		Why   string `json:"why,omitempty"`
	}{Ready: true}
	code := http.StatusOK
	if why := a.o.Unready(); why != "" {
		code, body.Ready, body.Why = http.StatusServiceUnavailable, false, why
	}
	answerJSON(w, code, body)
}

// guard recovers panics and keeps answers out of caches.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // net/http's own way to cut a connection
			}
			a.o.Metrics.Panic()
			a.o.Logger.Error("panic in the HTTP interface", "path", r.URL.Path, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			problem(w, http.StatusInternalServerError, "internal error; the log says more")
		}()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// only refuses other methods.
func only(h http.HandlerFunc, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range methods {
			if r.Method == m {
				h(w, r)
				return
			}
		}
		w.Header().Set("Allow", methods[0])
		problem(w, http.StatusMethodNotAllowed, "use "+methods[0])
	})
}

// answerJSON writes a JSON document.
func answerJSON(w http.ResponseWriter, code int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		problem(w, http.StatusInternalServerError, "the answer cannot be encoded")
		return
	}
	send(w, code, "application/json", b)
}

// problem writes a problem document (RFC 9457 section 3). detail is our own
// text.
func problem(w http.ResponseWriter, code int, detail string) {
	b, _ := json.Marshal(struct { // cannot fail: strings and a number
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(code), code, detail})
	send(w, code, "application/problem+json", b)
}

func send(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // an asker who is gone is nobody's trouble
}

const (
	headerTimeout = 10 * time.Second
	ioTimeout     = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// NewServer returns a server for one of the handlers, with its time-outs set.
// Shutdown ends the waits of /v1/verify at once: what is not known by then is
// answered "pending".
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       ioTimeout,
		WriteTimeout:      2 * ioTimeout, // a request that does not come is told so
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	if logger != nil {
		srv.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	}
	srv.RegisterOnShutdown(cancel)
	return srv
}
