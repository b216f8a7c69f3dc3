package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify/address"
)

const (
	// maxBody bounds a request: an address has 254 octets, each six in the
	// longest JSON spelling, and so has a sender.
	maxBody = 16 << 10
	// defaultBudget and maxBudget bound what /v1/verify waits.
	defaultBudget = time.Minute
	maxBudget     = 10 * time.Minute
	// doorHeader lets the command line, which uses the admin socket, be
	// recorded as itself.
	doorHeader = "Rcptgate-Door"
)

// verifyRequest is the body of POST /v1/verify.
type verifyRequest struct {
	Address  *string `json:"address"`
	Sender   string  `json:"sender"`
	Tenant   string  `json:"tenant"`
	BudgetMS *int64  `json:"budget_ms"`
}

// budget returns what the asker waits at most.
func (r verifyRequest) budget() time.Duration {
	if r.BudgetMS == nil {
		return defaultBudget
	}
	return time.Duration(*r.BudgetMS) * time.Millisecond
}

// parseVerify reads a request; the error is fit for the asker.
func parseVerify(body io.Reader) (verifyRequest, error) {
	var r verifyRequest
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("not a request: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("not a request: more than one JSON value")
	}
	if r.Address == nil {
		return r, errors.New(`"address" is missing`)
	}
	if _, err := address.Parse(r.Sender, address.External); err != nil {
		return r, fmt.Errorf(`"sender" is not an address: %w`, err)
	}
	if r.BudgetMS != nil && (*r.BudgetMS < 0 || *r.BudgetMS > maxBudget.Milliseconds()) {
		return r, fmt.Errorf(`"budget_ms" is not between 0 and %d`, maxBudget.Milliseconds())
	}
	return r, nil
}

// verify answers with the verdict of one address, 200 for any of them.
func (a *API) verify(w http.ResponseWriter, r *http.Request) {
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			problem(w, http.StatusUnsupportedMediaType, "send application/json")
			return
		}
	}
	req, err := parseVerify(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxBody))
			return
		}
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	// The server's own time-outs are for the request; the answer may take the
	// budget. Were the read deadline left, it would cancel the request.
	ctl, until := http.NewResponseController(w), time.Now().Add(req.budget()+ioTimeout)
	if err := errors.Join(ctl.SetReadDeadline(until), ctl.SetWriteDeadline(until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return // the connection is gone
	}
	door := policy.DoorAPI
	if r.Header.Get(doorHeader) == string(policy.DoorCLI) {
		door = policy.DoorCLI
	}
	v, addr := a.o.Verifier.VerifyNow(r.Context(), *req.Address, req.Sender, req.Tenant, req.budget(), door)
	b, err := v.MarshalFor(*req.Address, addr)
	if err != nil {
		problem(w, http.StatusInternalServerError, "the verdict cannot be encoded")
		return
	}
	send(w, http.StatusOK, "application/json", b)
}

// dialogue answers with a recent SMTP dialogue as the audit log has it.
func (a *API) dialogue(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("probe_id")
	if id == "" {
		problem(w, http.StatusBadRequest, `"probe_id" is missing`)
		return
	}
	p, ok := a.o.Dialogue(id)
	if !ok {
		problem(w, http.StatusNotFound, "no recent dialogue has this id")
		return
	}
	send(w, http.StatusOK, "application/json", audit.AppendJSON(nil, p))
}
