package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"sync"
	"time"

	"rcptgate/verify/address"
)

// Key names an address in the store without telling it:
// HMAC(domain)[:8] ‖ HMAC(address)[:16].
type Key [24]byte

// Keyer makes keys, random controls and pseudonyms from the key file. It is
// safe for concurrent use; all hosts of a fleet share the secret.
type Keyer struct{ macs sync.Pool }

// NewKeyer returns a Keyer; the secret must have at least 16 bytes and is
// copied.
func NewKeyer(secret []byte) (*Keyer, error) {
	if len(secret) < 16 {
		return nil, fmt.Errorf("key of %d bytes, at least 16 wanted", len(secret))
	}
	secret = slices.Clone(secret)
	k := &Keyer{}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return k, nil
}

// mac is a reusable HMAC-SHA-256 with room for its input and output.
type mac struct {
	hash.Hash
	in  []byte
	out [sha256.Size]byte
}

func (m *mac) sum(parts ...string) *[sha256.Size]byte {
	m.Reset()
	m.in = m.in[:0]
	for _, p := range parts {
		m.in = append(m.in, p...)
	}
	m.Write(m.in)
	m.Sum(m.out[:0])
	return &m.out
}

// Key returns the key under which the address is stored.
func (k *Keyer) Key(a address.Address) (key Key) {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	copy(key[:8], m.sum(a.Domain().String())[:8])
	copy(key[8:], m.sum(a.Key())[:16])
	return key
}

// DomainKey returns the key under which facts of the domain are stored: the
// first 8 bytes of the keys of its addresses.
func (k *Keyer) DomainKey(d address.Domain) (key [8]byte) {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	copy(key[:], m.sum(d.String())[:8])
	return key
}

// Pseudonym returns 16 hexadecimal digits that stand for s in the audit log,
// the same ones each time.
func (k *Keyer) Pseudonym(s string) string {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	return hex.EncodeToString(m.sum("pseudonym\x00", s)[:8])
}

const (
	week         = 7 * 24 * time.Hour
	letters      = "abcdefghijklmnopqrstuvwxyz"
	alphanumeric = letters + "0123456789"
)

// RandomLocal returns the local part of the domain's catch-all control in the
// week of now (rule 4a): 12 to 18 lower-case alphanumerics, the first a
// letter. Nobody without the key can guess it, and a fleet asks one address.
func (k *Keyer) RandomLocal(d address.Domain, now time.Time) string {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	n := now.Unix() / int64(week/time.Second)
	h := m.sum("random\x00", d.String(), "\x00", strconv.FormatInt(n, 10))
	out := make([]byte, 12+int(h[0])%7)
	out[0] = letters[int(h[1])%len(letters)]
	for i := 1; i < len(out); i++ {
		out[i] = alphanumeric[int(h[i+1])%len(alphanumeric)]
	}
	return string(out)
}
