package cache

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

func FuzzRecord(f *testing.F) {
	now := time.UnixMilli(1_800_000_000_000)
	key := []byte("k")
	f.Add(byte(verdicts), encodeVerdict(verdicts, key, sampleVerdict(now), now)[headerSize:])
	f.Add(byte(domains), encodeDomain(domains, key, verify.DomainFact{CatchAll: verify.CatchAllYes, CheckedAt: now, ExpiresAt: now.Add(time.Hour)}, now)[headerSize:])
	f.Add(byte(sites), encodeSite(sites, key, verify.SiteFact{Reason: verdict.Timeout, Suspect: []verify.Interval{{From: now, To: now}}}, now)[headerSize:])
	f.Fuzz(func(t *testing.T, b byte, content []byte) {
		// Raw bytes are no record but by chance; behind a header they are.
		_, _ = decodeVerdict(verdicts, key, content, now)
		w := newRecord(now, now.Add(time.Hour))
		w.b = append(w.b, content...)
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
