package cache

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

func sampleVerdict(now time.Time) *verdict.Verdict {
	v := verdict.New(verdict.MailboxNotFound, verdict.FromProbe, now)
	v.Tags = []verdict.Tag{verdict.Role, verdict.TypoDomain}
	v.Suggestion = "example.net"
	v.Evidence = verdict.Evidence{
		Stage: verdict.Rcpt, MX: "mx1.example.net", MXIP: netip.MustParseAddr("198.51.100.25"),
		SourceIP: netip.MustParseAddr("2001:db8::10"), Code: 550, Enhanced: "5.1.1",
		Text: "550 5.1.1 <rcpt>: Recipient address rejected: User unknown in virtual mailbox table",
		TLS:  "TLSv1.3", Took: 123 * time.Millisecond, Rule: "unknown-user.enhanced",
	}
	v.Site, v.Provider, v.ProbeID = "mx1.example.net,mx2.example.net;backup.example.org", "example", "0f3a9c0d1e2b"
	return v
}

func keyOf(n uint64) (k verify.Key) {
	// Spread like a hash.
	binary.BigEndian.PutUint64(k[:], n*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(k[16:], n)
	return k
}

var sameTimes = cmp.Options{cmpopts.EquateApproxTime(time.Millisecond), cmpopts.EquateComparable(netip.Addr{})}

// kinds are the ways to keep a store; each case of the suite runs over all of
// them, inside a bubble.
var kinds = map[string]func(t *testing.T) *Store{
	"memory": func(t *testing.T) *Store { return open(t, "") },
	"file":   func(t *testing.T) *Store { return open(t, t.TempDir()) },
	"file, the disk away": func(t *testing.T) *Store {
		s := open(t, t.TempDir())
		f := s.b.(*file)
		f.mu.Lock()
		h := f.h
		f.mu.Unlock()
		// Every write fails from now on.
		if err := h.file.Close(); err != nil {
			t.Fatal(err)
		}
		return s
	},
	"file, written and read again": nil, // set by suite
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// suite runs one case over every kind of store. put fills it, check looks.
func suite(t *testing.T, put, check func(t *testing.T, s *Store)) {
	for name, begin := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				if begin != nil {
					s := begin(t)
					put(t, s)
					check(t, s)
					return
				}
				s := open(t, dir)
				put(t, s)
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				check(t, open(t, dir))
			})
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T, s *Store) {
		now := time.Now()
		for i, row := range verdict.Table() {
			s.PutVerdict(keyOf(uint64(i)), verdict.New(row.Reason, verdict.FromDNS, now))
		}
		s.PutVerdict(keyOf(100), verdict.New(verdict.Accepted, verdict.FromDelivery, now))
		s.PutVerdict(keyOf(100), sampleVerdict(now))
		all := verdict.New(verdict.AcceptAll, verdict.FromList, now)
		all.Tags = verdict.Tags()
		s.PutVerdict(keyOf(101), all)
	}, func(t *testing.T, s *Store) {
		now := time.Now()
		for i, row := range verdict.Table() {
			want := verdict.New(row.Reason, verdict.FromDNS, now)
			want.Served = verdict.FromCache
			got, ok := s.GetVerdict(keyOf(uint64(i)))
			if ok != row.Reason.Stored() {
				t.Errorf("%s: stored %v", row.Reason, ok)
			} else if d := cmp.Diff(want, got, sameTimes); ok && d != "" {
				t.Errorf("%s: %s", row.Reason, d)
			}
		}
		want := sampleVerdict(now)
		want.Served = verdict.FromCache
		got, ok := s.GetVerdict(keyOf(100))
		if d := cmp.Diff(want, got, sameTimes); !ok || d != "" {
			t.Errorf("%v %s", ok, d)
		}
		if got, ok := s.GetVerdict(keyOf(101)); !ok || len(got.Tags) != len(verdict.Tags()) {
			t.Errorf("tags %v", got.Tags)
		}
		if _, ok := s.GetVerdict(keyOf(102)); ok {
			t.Error("a verdict that nobody put")
		}
		time.Sleep(3*24*time.Hour - time.Millisecond)
		if _, ok := s.GetVerdict(keyOf(100)); !ok {
			t.Error("expired too early")
		}
		time.Sleep(2 * time.Millisecond)
		if _, ok := s.GetVerdict(keyOf(100)); ok {
			t.Error("an expired verdict")
		}
	})
}

func TestFacts(t *testing.T) {
	t.Parallel()
	var d1, d2 [8]byte
	d1[0], d2[0] = 1, 2
	longSite := strings.Repeat(strings.Repeat("m", 63)+".example.net;", 400)
	domain := func(now time.Time) verify.DomainFact {
		return verify.DomainFact{
			CatchAll: verify.CatchAllNo, Site: "mx.example.net",
			CheckedAt: now, RefreshAt: now.Add(24 * time.Hour), ExpiresAt: now.Add(72 * time.Hour),
			Plain: []time.Time{{}, now.Add(-time.Hour), now},
		}
	}
	site := func(now time.Time) verify.SiteFact {
		return verify.SiteFact{
			Reason: verdict.Timeout, ExpiresAt: now.Add(30 * time.Minute), LastGood: now.Add(-time.Hour),
			Suspect:   []verify.Interval{{From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}, {To: now}},
			Negatives: []time.Time{now.Add(-time.Minute), now},
		}
	}
	suite(t, func(t *testing.T, s *Store) {
		now := time.Now()
		s.PutDomain(d1, domain(now))
		s.PutDomain(d2, verify.DomainFact{CatchAll: verify.CatchAllYes})
		s.PutSite("mx.example.net", site(now))
		s.PutSite(longSite, verify.SiteFact{LastGood: now})
	}, func(t *testing.T, s *Store) {
		now := time.Now()
		got, ok := s.GetDomain(d1)
		if d := cmp.Diff(domain(now), got, sameTimes); !ok || d != "" {
			t.Errorf("%v %s", ok, d)
		}
		if _, ok := s.GetDomain(d2); ok {
			t.Error("a fact without expiry was kept")
		}
		gotSite, ok := s.GetSite("mx.example.net")
		if d := cmp.Diff(site(now), gotSite, sameTimes); !ok || d != "" {
			t.Errorf("%v %s", ok, d)
		}
		if got, ok := s.GetSite(longSite); !ok || got.LastGood.IsZero() || got.Suspect != nil {
			t.Errorf("%v %+v", ok, got)
		}
		if _, ok := s.GetSite("other"); ok {
			t.Error("a site that nobody put")
		}
		time.Sleep(72 * time.Hour)
		if _, ok := s.GetDomain(d1); ok {
			t.Error("an expired fact")
		}
		if _, ok := s.GetSite("mx.example.net"); !ok {
			t.Error("a site fact must outlive the negatives it makes suspect")
		}
		time.Sleep(siteLife)
		if _, ok := s.GetSite("mx.example.net"); ok {
			t.Error("an expired site fact")
		}
	})
}

func TestPaceMemory(t *testing.T) {
	t.Parallel()
	suite(t, func(_ *testing.T, s *Store) {
		s.SavePace("a", []byte("first"), time.Hour)
		b := []byte("second")
		s.SavePace("a", b, 200*time.Hour)
		copy(b, "buffer") // nothing of it is kept
		s.SavePace("b", []byte("x"), time.Hour)
		s.SavePace("b", nil, 0)
		s.SavePace("c", []byte{}, 48*time.Hour)
		s.SavePace("", []byte("no key"), time.Hour)
		s.SavePace(strings.Repeat("k", maxPaceKey+1), []byte("long"), time.Hour)
		s.SavePace("absent", nil, 0)
	}, func(t *testing.T, s *Store) {
		got, err := s.LoadPace()
		want := map[string][]byte{"a": []byte("second"), "c": {}}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
		time.Sleep(47 * time.Hour)
		if got, err := s.LoadPace(); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("after 47 h: %v %v", got, err)
		}
		time.Sleep(152 * time.Hour)
		delete(want, "c")
		if got, err := s.LoadPace(); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("after 199 h: %v %v", got, err)
		}
		time.Sleep(time.Hour)
		if got, err := s.LoadPace(); err != nil || len(got) != 0 {
			t.Errorf("%v %v", got, err)
		}
	})
}

// TestCountersAlone: what is counted of a domain lives for its hour, though
// nothing else is known of it.
func TestCountersAlone(t *testing.T) {
	t.Parallel()
	var d [8]byte
	suite(t, func(_ *testing.T, s *Store) {
		s.PutDomain(d, verify.DomainFact{Plain: []time.Time{time.Now().Add(-time.Hour), time.Now()}})
	}, func(t *testing.T, s *Store) {
		if f, ok := s.GetDomain(d); !ok || len(f.Plain) != 2 || f.CatchAll != "" || !f.ExpiresAt.IsZero() {
			t.Errorf("%v %+v", ok, f)
		}
		time.Sleep(time.Hour)
		if f, ok := s.GetDomain(d); ok {
			t.Errorf("%+v after an hour", f)
		}
	})
}

func TestDropVerdict(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T, s *Store) {
		s.PutVerdict(keyOf(1), sampleVerdict(time.Now()))
		s.PutVerdict(keyOf(2), sampleVerdict(time.Now()))
		s.DropVerdict(keyOf(1))
		s.DropVerdict(keyOf(3))
		if _, ok := s.GetVerdict(keyOf(1)); ok {
			t.Error("still there")
		}
	}, func(t *testing.T, s *Store) {
		if _, ok := s.GetVerdict(keyOf(1)); ok {
			t.Error("there again")
		}
		if _, ok := s.GetVerdict(keyOf(2)); !ok {
			t.Error("the other one is gone")
		}
		s.DropVerdict(keyOf(2))
		if _, ok := s.GetVerdict(keyOf(2)); ok {
			t.Error("still there")
		}
	})
}

// TestFutureCountsAsNow: the clock was set back by a year.
func TestFutureCountsAsNow(t *testing.T) {
	t.Parallel()
	suite(t, func(_ *testing.T, s *Store) {
		future := time.Now().Add(365 * 24 * time.Hour)
		k := keyOf(1)
		s.b.put(verdicts, k[:], encodeVerdict(verdicts, k[:], verdict.New(verdict.MailboxFull, verdict.FromProbe, future), future))
		var d [8]byte
		s.b.put(domains, d[:], encodeDomain(domains, d[:], verify.DomainFact{CheckedAt: future, ExpiresAt: future.Add(time.Hour)}, future))
		site := siteKey("s")
		s.b.put(sites, site, encodeSite(sites, site, verify.SiteFact{LastGood: future}, future))
	}, func(t *testing.T, s *Store) {
		now := time.Now()
		want := verdict.New(verdict.MailboxFull, verdict.FromProbe, now)
		want.Served = verdict.FromCache
		got, ok := s.GetVerdict(keyOf(1))
		if d := cmp.Diff(want, got, sameTimes); !ok || d != "" {
			t.Errorf("%v %s", ok, d)
		}
		if got, ok := s.GetDomain([8]byte{}); !ok || got.CheckedAt.After(now) || got.ExpiresAt.Sub(got.CheckedAt) != time.Hour {
			t.Errorf("%v %+v", ok, got)
		}
		if got, ok := s.GetSite("s"); !ok || got.LastGood.After(now) {
			t.Errorf("%v %+v", ok, got)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range uint64(300) {
					now := time.Now()
					k := keyOf(i)
					s.PutVerdict(k, verdict.New(verdict.Accepted, verdict.FromProbe, now))
					if _, ok := s.GetVerdict(k); !ok {
						t.Errorf("verdict %d is not there", i)
					}
					s.SavePace("k", []byte{byte(g)}, time.Hour)
					_ = s.Stats()
					_ = s.Healthy()
				}
			})
		}
		wg.Wait()
	}, func(t *testing.T, s *Store) {
		for i := range uint64(300) {
			if _, ok := s.GetVerdict(keyOf(i)); !ok {
				t.Errorf("verdict %d is not there", i)
			}
		}
	})
}

// TestMemoryIsBounded, in bytes.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory(1 << 20)
	s := &Store{b: m}
	for i := range uint64(20_000) {
		s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
	}
	if st := s.Stats(); st.Bytes > 1<<20 || st.Verdicts < 500 {
		t.Errorf("%+v", st)
	}
	if s.Healthy() != nil {
		t.Error("memory is healthy")
	}
}

// newTestFile is a file store with a log that can be read, and without a memory
// that hides the file unless l says so.
func newTestFile(t *testing.T, dir string, l limits) (*Store, *file, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	l.near = stdcmp.Or(l.near, 1)
	f, err := openStore(Options{Path: dir, Logger: slog.New(slog.NewTextHandler(log, nil))}, l)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{b: f}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s, f, log
}

func asideFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, fileName+".broken-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
