package pace

// link is a place in a list. It is embedded, so that what is listed can leave
// in constant time and without garbage.
type link[T any] struct {
	prev, next *link[T]
	in         *list[T]
	value      T
}

// list is a doubly linked list. The zero value is empty.
type list[T any] struct {
	head, tail *link[T]
	n          int
}

// push appends l, which must be in no list, with its value.
func (s *list[T]) push(l *link[T], v T) {
	l.value, l.in, l.prev, l.next = v, s, s.tail, nil
	if s.tail != nil {
		s.tail.next = l
	} else {
		s.head = l
	}
	s.tail = l
	s.n++
}

// leave takes l out of its list, if it is in one.
func (l *link[T]) leave() {
	s := l.in
	if s == nil {
		return
	}
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		s.head = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		s.tail = l.prev
	}
	s.n--
	l.in, l.prev, l.next = nil, nil, nil
}

// rotate moves the first to the end.
func (s *list[T]) rotate() {
	if l := s.head; l != s.tail {
		v := l.value
		l.leave()
		s.push(l, v)
	}
}
