package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"regexp"
	"testing"
	"time"
)

func TestKeyer(t *testing.T) {
	if _, err := NewKeyer(make([]byte, 15)); err == nil {
		t.Error("a short key is taken")
	}
	secret := bytes.Repeat([]byte{7}, 32)
	k, err := NewKeyer(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	sum := func(s string) []byte {
		m := hmac.New(sha256.New, bytes.Repeat([]byte{7}, 32))
		m.Write([]byte(s))
		return m.Sum(nil)
	}
	a := addr(t, "User@Example.test")
	key, d := k.Key(a), k.DomainKey(a.Domain())
	if !bytes.Equal(key[:8], sum("example.test")[:8]) || !bytes.Equal(key[8:], sum("User@example.test")[:16]) {
		t.Errorf("key %x", key)
	}
	if !bytes.Equal(d[:], key[:8]) {
		t.Error("the key of the domain is not the head of its addresses' keys")
	}
	if k.Key(a) != key || k.Key(addr(t, "user@example.test")) == key {
		t.Error("keys are not stable, or fold the case")
	}
	if p := k.Pseudonym("user"); len(p) != 16 || p != k.Pseudonym("user") || p == k.Pseudonym("User") {
		t.Errorf("pseudonym %q", p)
	}
}

func TestRandomLocal(t *testing.T) {
	k, err := NewKeyer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^[a-z][a-z0-9]{11,17}$`)
	d := addr(t, "u@example.test").Domain()
	seen := map[string]bool{}
	lengths := map[int]bool{}
	start := time.Unix(0, 0)
	for i := range 200 {
		at := start.Add(time.Duration(i) * week)
		s := k.RandomLocal(d, at)
		if !form.MatchString(s) || seen[s] {
			t.Errorf("week %d: %q", i, s)
		}
		if k.RandomLocal(d, at.Add(week-time.Second)) != s {
			t.Errorf("week %d: not the same the whole week", i)
		}
		seen[s], lengths[len(s)] = true, true
	}
	if len(lengths) != 7 {
		t.Errorf("lengths %v", lengths)
	}
	if k.RandomLocal(addr(t, "u@other.test").Domain(), start) == k.RandomLocal(d, start) {
		t.Error("two domains share a control")
	}
}

func BenchmarkKey(b *testing.B) {
	k, err := NewKeyer(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	a := addr(b, "user@example.test")
	b.ReportAllocs()
	for b.Loop() {
		k.Key(a)
	}
}
