package cache

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

func FuzzRecord(f *testing.F) {
	now := time.UnixMilli(1_800_000_000_000)
	key := []byte("k")
	f.Add(byte(verdicts), encodeVerdict(verdicts, key, sampleVerdict(now), now)[headerSize:])
	f.Add(byte(domains), encodeDomain(domains, key, verify.DomainFact{CatchAll: verify.CatchAllYes, CheckedAt: now, ExpiresAt: now.Add(time.Hour)}, now)[headerSize:])
	f.Add(byte(domains), encodeDomain(domains, key, verify.DomainFact{Plain: []time.Time{{}, now}}, now)[headerSize:])
	f.Add(byte(sites), encodeSite(sites, key, verify.SiteFact{Negatives: []time.Time{now, now}}, now)[headerSize:])
	f.Add(byte(sites), encodeSite(sites, key, verify.SiteFact{Reason: verdict.Timeout, Suspect: []verify.Interval{{From: now, To: now}}}, now)[headerSize:])
	f.Fuzz(func(t *testing.T, b byte, content []byte) {
		// Raw bytes are no record but by chance; behind a header they are.
		_, _ = decodeVerdict(verdicts, key, content, now)
		w := newRecord(now, now.Add(time.Hour), usualRoom)
		w.b = append(w.b, content...)
		// As a record of the version before it may be taken too, without counters.
		w.b[0] = oldestVersion
		old := w.seal(bucket(b), key)
		if d, err := decodeDomain(domains, key, old, now); err == nil && d.Plain != nil {
			t.Errorf("%x has counters", old)
		}
		if s, err := decodeSite(sites, key, old, now); err == nil && s.Negatives != nil {
			t.Errorf("%x has counters", old)
		}
		w.b[0] = recordVersion
		record := w.seal(bucket(b), key)
		var again []byte
		switch bucket(b) {
		case verdicts:
			v, err := decodeVerdict(verdicts, key, record, now)
			if err != nil {
				return
			}
			again = encodeVerdict(verdicts, key, v, now)
		case domains:
			d, err := decodeDomain(domains, key, record, now)
			if err != nil {
				return
			}
			again = encodeDomain(domains, key, d, now)
		case sites:
			s, err := decodeSite(sites, key, record, now)
			if err != nil {
				return
			}
			again = encodeSite(sites, key, s, now)
		default:
			return
		}
		// Strict: what is taken has one form only.
		if !bytes.Equal(again[headerSize:], content) {
			t.Errorf("%x is read as %x", content, again[headerSize:])
		}
	})
}

func TestRecordIsStrict(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k, other := keyOf(1), keyOf(2)
	good := encodeVerdict(verdicts, k[:], sampleVerdict(now), now)
	if _, err := decodeVerdict(verdicts, k[:], good, now); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		if _, err := decodeVerdict(verdicts, k[:], bad, now); err == nil {
			t.Errorf("a flipped bit in octet %d is not seen", i)
		}
	}
	for _, cut := range [][]byte{nil, {}, good[:headerSize], good[:len(good)-1], append(bytes.Clone(good), 0)} {
		if _, err := decodeVerdict(verdicts, k[:], cut, now); err == nil {
			t.Errorf("%d octets are taken", len(cut))
		}
	}
	if _, err := decodeVerdict(verdicts, other[:], good, now); !errors.Is(err, errRecord) {
		t.Errorf("the record of another key: %v", err)
	}
	if _, err := decodeDomain(domains, k[:], good, now); !errors.Is(err, errRecord) {
		t.Errorf("the record of another bucket: %v", err)
	}
}

// TestOldRecords: what version 1 wrote is read, and versions to come are not.
func TestOldRecords(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(time.Now().UnixMilli())
	key := []byte("k")
	// A counter that is empty is one octet at the end, which version 1 has not.
	as := func(b bucket, record []byte, version byte, cut int) []byte {
		w := &writer{b: bytes.Clone(record[:len(record)-cut])}
		w.b[0] = version
		return w.seal(b, key)
	}
	domain := verify.DomainFact{CatchAll: verify.CatchAllNo, Site: "mx.test", CheckedAt: now, ExpiresAt: now.Add(time.Hour)}
	site := verify.SiteFact{LastGood: now, Suspect: []verify.Interval{{From: now.Add(-time.Hour), To: now}}}
	d, s, v := encodeDomain(domains, key, domain, now), encodeSite(sites, key, site, now), encodeVerdict(verdicts, key, sampleVerdict(now), now)
	if got, err := decodeDomain(domains, key, as(domains, d, 1, 1), now); err != nil || cmp.Diff(domain, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(domain, got))
	}
	if got, err := decodeSite(sites, key, as(sites, s, 1, 1), now); err != nil || cmp.Diff(site, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(site, got))
	}
	if got, err := decodeVerdict(verdicts, key, as(verdicts, v, 1, 0), now); err != nil || got.Reason != verdict.MailboxNotFound {
		t.Errorf("%v %+v", err, got)
	}
	for _, version := range []byte{0, recordVersion + 1, 255} {
		if _, err := decodeVerdict(verdicts, key, as(verdicts, v, version, 0), now); !errors.Is(err, errRecord) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	// Neither passes for the other.
	if _, err := decodeDomain(domains, key, as(domains, d, 1, 0), now); !errors.Is(err, errRecord) {
		t.Errorf("version 2 as 1: %v", err)
	}
	if _, err := decodeSite(sites, key, as(sites, s, 2, 1), now); !errors.Is(err, errRecord) {
		t.Errorf("version 1 as 2: %v", err)
	}
}

func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(time.Now().UnixMilli())
	var many []time.Time
	for i := range 100 {
		many = append(many, now.Add(time.Duration(i-100)*time.Second))
	}
	record := encodeDomain(domains, nil, verify.DomainFact{Plain: many}, now)
	f, err := decodeDomain(domains, nil, record, now)
	if err != nil || cmp.Diff(many[100-maxStamps:], f.Plain) != "" {
		t.Errorf("%v %v", err, f.Plain)
	}
	w := newRecord(now, now.Add(time.Hour), usualRoom)
	for range 5 {
		w.uint(0) // word, site and times of a fact
	}
	w.uint(maxStamps + 1)
	for range maxStamps + 1 {
		w.uint(0)
	}
	if _, err := decodeDomain(domains, nil, w.seal(domains, nil), now); !errors.Is(err, errRecord) {
		t.Errorf("%v", err)
	}
}
