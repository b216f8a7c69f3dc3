package verify

import (
	"fmt"
	"testing"
	"time"

	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

func TestSuspectIntervals(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return t0.Add(time.Duration(h) * time.Hour) }
	s := newMapStore()
	var k knowledge
	k.init(s)
	refused := addr(t, "good@example.test")
	negative := func(h int) bool {
		v := verdict.New(verdict.MailboxNotFound, verdict.FromProbe, at(h))
		v.Site = "mx.test"
		k.mark(v)
		return v.Has(verdict.Suspect)
	}
	k.good("mx.test", at(1))
	k.suspect("mx.test", [8]byte{}, refused, at(3))
	for h, want := range map[int]bool{0: false, 1: false, 2: true, 3: true, 4: false} {
		if negative(h) != want {
			t.Errorf("hour %d: suspect %v", h, !want)
		}
	}
	k.suspect("mx.test", [8]byte{}, refused, at(5)) // no good control between: one interval
	if f, _ := s.GetSite("mx.test"); len(f.Suspect) != 1 || !negative(4) {
		t.Errorf("intervals %v", f.Suspect)
	}
	for i := range 20 {
		k.good("mx.test", at(10+2*i))
		k.suspect("mx.test", [8]byte{}, refused, at(11+2*i))
	}
	f, _ := s.GetSite("mx.test")
	if len(f.Suspect) > maxIntervals || !negative(5) || !negative(49) || negative(50) {
		t.Errorf("%d intervals", len(f.Suspect))
	}
	k.good("mx.test", at(200))
	k.suspect("mx.test", [8]byte{}, refused, at(201))
	if f, _ := s.GetSite("mx.test"); len(f.Suspect) != 1 {
		t.Errorf("old intervals stay: %v", f.Suspect)
	}
	for _, v := range []*verdict.Verdict{
		verdict.New(verdict.Accepted, verdict.FromProbe, at(201)),
		verdict.New(verdict.DomainNotFound, verdict.FromDNS, at(201)),
		verdict.New(verdict.MailboxNotFound, verdict.FromProbe, at(201)),
	} {
		if v.Reason != verdict.MailboxNotFound {
			v.Site = "mx.test"
		}
		if k.mark(v); v.Has(verdict.Suspect) {
			t.Errorf("%s is suspect", v.Reason)
		}
	}
}

func TestBoundedMemory(t *testing.T) {
	var b bounded[string, int]
	b.init(100)
	for i := range 10_000 {
		*b.at(fmt.Sprint(i)) = i
		*b.at("kept") = -1
	}
	if len(b.m) != 100 || *b.at("kept") != -1 {
		t.Errorf("%d entries, kept %d", len(b.m), *b.at("kept"))
	}
}

func TestRefusalTakesBackCatchAll(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		a := addr(t, "nobody@example.test")
		d := w.e.keyer.DomainKey(a.Domain())
		f := newFact(CatchAllYes, "mx.test", time.Now())
		f.RefreshAt = time.Now()
		w.store.PutDomain(d, f)
		w.want("nobody@example.test", verdict.AcceptAll)
		time.Sleep(time.Second)
		w.want("nobody@example.test", verdict.MailboxNotFound)
		if f, _ := w.store.GetDomain(d); f.CatchAll != CatchAllUnknown {
			t.Errorf("fact %s", f.CatchAll)
		}
	})
}

func BenchmarkVerifyCached(b *testing.B) {
	w := newWorld(b, provider.Truthful)
	defer w.e.Stop(b.Context())
	q := Query{Address: addr(b, "user@example.test"), Probe: true, Budget: time.Minute, Uncapped: true}
	if v := w.e.Verify(b.Context(), &q); v.Reason != verdict.Accepted {
		b.Fatal(v.Reason)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.e.Verify(b.Context(), &q)
	}
}
