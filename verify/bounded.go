package verify

// bounded is a map that forgets the longest unused of a few entries when it
// is full. Its user locks.
type bounded[K comparable, V any] struct {
	max  int
	m    map[K]*boundedEntry[V]
	tick uint64
}

type boundedEntry[V any] struct {
	used uint64
	v    V
}

func (b *bounded[K, V]) init(n int) { b.max, b.m = n, map[K]*boundedEntry[V]{} }

// at returns the entry of k, made when missing; valid until the next call.
func (b *bounded[K, V]) at(k K) *V {
	b.tick++
	e := b.m[k]
	if e == nil {
		if len(b.m) >= b.max {
			b.evict()
		}
		e = &boundedEntry[V]{}
		b.m[k] = e
	}
	e.used = b.tick
	return &e.v
}

func (b *bounded[K, V]) evict() {
	var oldest K
	n, used := 0, uint64(0)
	for k, e := range b.m { // map order is random: a sample of eight
		if n == 0 || e.used < used {
			oldest, used = k, e.used
		}
		if n++; n == 8 {
			break
		}
	}
	delete(b.m, oldest)
}
