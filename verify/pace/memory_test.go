package pace

import (
	"testing"

	"rcptgate/verify/provider"
)

// FuzzLoad feeds the memory what a damaged store may hold: whatever it is, no
// stamp lies in the future and none is out of order.
func FuzzLoad(f *testing.F) {
	f.Add("counts x", `{"source":"","kind":"site","name":"a","invalids":["2999-01-01T00:00:00Z","1000-01-01T00:00:00Z"]}`)
	f.Add("breaker x", `{"source":"","scope":"site","name":"a","since":"2999-01-01T00:00:00Z","length":9223372036854775807,"times":99}`)
	f.Fuzz(func(t *testing.T, key, value string) {
		s := &Settings{Book: book(t, provider.Overrides{})}
		p := newPacer(Options{
			Settings: func() *Settings { return s },
			Memory:   &memory{data: map[string][]byte{key: []byte(value)}},
		}, nil)
		p.lock()
		defer p.unlock()
		if err := p.load(); err != nil {
			t.Fatal(err)
		}
		for _, l := range p.limiters {
			for r := range l.acc {
				last := -never
				for _, at := range l.acc[r].stamps {
					if at > p.now || at < last {
						t.Errorf("stamps %v, now %v", l.acc[r].stamps, p.now)
					}
					last = at
				}
			}
		}
		for _, b := range p.breakers {
			if b.since > p.now || b.until < b.since {
				t.Errorf("breaker from %v to %v, now %v", b.since, b.until, p.now)
			}
			b.state = stateHalfOpen
			p.openBreaker(b.key, b.site, 1, tripped{reason: b.reason})
		}
	})
}
