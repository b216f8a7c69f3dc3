package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
	"slices"
	"time"

	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

// A record is
//
//	version  1 byte
//	crc32c   4 bytes, over bucket, key and all that follows
//	written  8 bytes, milliseconds since 1970
//	expires  8 bytes, the same
//	content
//
// Integers are little-endian. Strings have their length before them, as a
// uvarint. Times in the content are milliseconds relative to written, zigzag,
// plus one; 0 is the zero time. So a record that was written in the future (the
// clock was set back) is read as written now, and its times keep their distance.
// Version 1 is as version 2, without the counters at the end of the facts.
const (
	recordVersion = 2
	oldestVersion = 1
	headerSize    = 21
	usualRoom     = 235 // holds the content of nearly all verdicts and facts
	maxIntervals  = 1000
	maxStamps     = 8 // of a counter
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errAbsent  = errors.New("no record")
	errExpired = errors.New("record has expired")
	errRecord  = errors.New("malformed record")
)

// writer builds a record.
type writer struct {
	b    []byte
	base int64 // written, in milliseconds
}

// newRecord begins a record that has room for so much content.
func newRecord(written, expires time.Time, room int) writer {
	w := writer{b: make([]byte, headerSize, headerSize+room), base: written.UnixMilli()}
	w.b[0] = recordVersion
	binary.LittleEndian.PutUint64(w.b[5:], uint64(w.base))
	binary.LittleEndian.PutUint64(w.b[13:], uint64(expires.UnixMilli()))
	return w
}

func (w *writer) seal(b bucket, key []byte) []byte {
	binary.LittleEndian.PutUint32(w.b[1:], checksum(b, key, w.b))
	if len(w.b) == cap(w.b) {
		return w.b
	}
	return slices.Clone(w.b) // of which the memory may hold many
}

// checksum covers the place of a record beside its content.
func checksum(b bucket, key, record []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte{byte(b)})
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, record[5:])
}

func (w *writer) uint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

func (w *writer) str(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.uint(0)
		return
	}
	d := t.UnixMilli() - w.base
	w.uint(uint64(d<<1^d>>63) + 1)
}

// stamps writes a counter; the newest times count, should there ever be too
// many.
func (w *writer) stamps(ts []time.Time) {
	ts = ts[max(0, len(ts)-maxStamps):]
	w.uint(uint64(len(ts)))
	for _, t := range ts {
		w.time(t)
	}
}

func (w *writer) addr(a netip.Addr) { w.str(string(a.AsSlice())) }

// reader takes the content of a record apart. After the first mistake it
// returns zeros.
type reader struct {
	s       string // what is left
	version byte
	base    int64
	err     error
}

// expiryOf reads the header alone, for the sweep; ok is false for what is no
// record of ours.
func expiryOf(record []byte, now time.Time) (expired, ok bool) {
	if len(record) < headerSize || record[0] < oldestVersion || record[0] > recordVersion {
		return false, false
	}
	written := int64(binary.LittleEndian.Uint64(record[5:]))
	expires := int64(binary.LittleEndian.Uint64(record[13:]))
	if written < 0 || expires < written {
		return false, false
	}
	n := now.UnixMilli()
	return n >= expires-max(0, written-n), true
}

// openRecord checks the record of a key and returns a reader of its content.
func openRecord(b bucket, key, record []byte, now time.Time) (reader, error) {
	if record == nil {
		return reader{}, errAbsent
	}
	expired, ok := expiryOf(record, now)
	switch {
	case !ok:
		return reader{}, errRecord
	case binary.LittleEndian.Uint32(record[1:]) != checksum(b, key, record):
		return reader{}, fmt.Errorf("%w: wrong checksum", errRecord)
	case expired:
		return reader{}, errExpired
	}
	written := int64(binary.LittleEndian.Uint64(record[5:]))
	return reader{s: string(record[headerSize:]), version: record[0], base: min(written, now.UnixMilli())}, nil
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errRecord, what)
	}
	r.s = ""
}

func (r *reader) uint(limit uint64) uint64 {
	var n uint64
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		c := r.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c >= 0x80 {
			continue
		}
		// One way to write a number: no zeros in front, nothing cut off.
		if n > limit || c == 0 && i > 0 || i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		r.s = r.s[i+1:]
		return n
	}
	r.fail("number")
	return 0
}

func (r *reader) str() string {
	n := r.uint(math.MaxInt32)
	if n > uint64(len(r.s)) {
		r.fail("length")
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

// maxDistance keeps sums of times far from overflow: a hundred years.
const maxDistance = 100 * 366 * 24 * 3600 * 1000

func (r *reader) time() time.Time {
	n := r.uint(2 * maxDistance)
	if n == 0 {
		return time.Time{}
	}
	n--
	return time.UnixMilli(r.base + (int64(n>>1) ^ -int64(n&1)))
}

func (r *reader) stamps() (ts []time.Time) {
	if r.version < 2 {
		return nil
	}
	for range r.uint(maxStamps) {
		ts = append(ts, r.time())
	}
	return ts
}

func (r *reader) addr() netip.Addr {
	s := r.str()
	if s == "" {
		return netip.Addr{}
	}
	a, ok := netip.AddrFromSlice([]byte(s))
	if !ok {
		r.fail("address")
	}
	return a
}

// end reports the first mistake; bytes that are left over are one.
func (r *reader) end() error {
	if r.err == nil && r.s != "" {
		r.fail("bytes left over")
	}
	return r.err
}

// word reads a member of a closed set.
func word[T ~string](r *reader, set ...T) T {
	w := T(r.str())
	if r.err == nil && !slices.Contains(set, w) {
		r.fail("unknown word")
	}
	if r.err != nil {
		return ""
	}
	return w
}

func encodeVerdict(b bucket, key []byte, v *verdict.Verdict, now time.Time) []byte {
	w := newRecord(now, v.ExpiresAt, usualRoom)
	w.str(string(v.Reason))
	w.uint(uint64(len(v.Tags)))
	for _, t := range v.Tags {
		w.str(string(t))
	}
	w.str(v.Suggestion)
	w.str(string(v.Origin))
	e := v.Evidence
	w.str(string(e.Stage))
	w.str(e.MX)
	w.addr(e.MXIP)
	w.addr(e.SourceIP)
	w.uint(uint64(max(0, e.Code)))
	w.str(e.Enhanced)
	w.str(e.Text)
	w.str(e.TLS)
	w.uint(uint64(max(0, e.Took.Milliseconds())))
	w.str(e.Rule)
	w.str(v.Site)
	w.str(v.Provider)
	w.str(v.ProbeID)
	w.time(v.CheckedAt)
	w.time(v.RefreshAt)
	w.time(v.ExpiresAt)
	return w.seal(b, key)
}

func decodeVerdict(b bucket, key, record []byte, now time.Time) (*verdict.Verdict, error) {
	r, err := openRecord(b, key, record, now)
	if err != nil {
		return nil, err
	}
	v := &verdict.Verdict{Served: verdict.FromCache, Reason: verdict.Reason(r.str())}
	if !v.Reason.Stored() {
		r.fail("unknown reason")
	}
	tags := verdict.Tags()
	for range r.uint(uint64(len(tags))) {
		v.Tags = append(v.Tags, word(&r, tags...))
	}
	v.Suggestion = r.str()
	v.Origin = word(&r, "", verdict.FromProbe, verdict.FromControl, verdict.FromDNS, verdict.FromList, verdict.FromDelivery)
	v.Evidence = verdict.Evidence{
		Stage: word(&r, "", verdict.DNS, verdict.Connect, verdict.EHLO, verdict.HELO,
			verdict.StartTLS, verdict.Mail, verdict.Rcpt, verdict.Data),
		MX:       r.str(),
		MXIP:     r.addr(),
		SourceIP: r.addr(),
		Code:     int(r.uint(999)),
		Enhanced: r.str(),
		Text:     r.str(),
		TLS:      r.str(),
		Took:     time.Duration(r.uint(maxDistance)) * time.Millisecond,
		Rule:     r.str(),
	}
	v.Site, v.Provider, v.ProbeID = r.str(), r.str(), r.str()
	v.CheckedAt, v.RefreshAt, v.ExpiresAt = r.time(), r.time(), r.time()
	return v, r.end()
}

func encodeDomain(b bucket, key []byte, f verify.DomainFact, now time.Time) []byte {
	w := newRecord(now, f.Until(), usualRoom)
	w.str(string(f.CatchAll))
	w.str(f.Site)
	w.time(f.CheckedAt)
	w.time(f.RefreshAt)
	w.time(f.ExpiresAt)
	w.stamps(f.Plain)
	return w.seal(b, key)
}

func decodeDomain(b bucket, key, record []byte, now time.Time) (verify.DomainFact, error) {
	r, err := openRecord(b, key, record, now)
	if err != nil {
		return verify.DomainFact{}, err
	}
	f := verify.DomainFact{
		CatchAll:  word(&r, "", verify.CatchAllUnknown, verify.CatchAllYes, verify.CatchAllNo),
		Site:      r.str(),
		CheckedAt: r.time(),
		RefreshAt: r.time(),
		ExpiresAt: r.time(),
		Plain:     r.stamps(),
	}
	return f, r.end()
}

func encodeSite(b bucket, key []byte, f verify.SiteFact, now time.Time) []byte {
	w := newRecord(now, now.Add(siteLife), usualRoom)
	w.str(string(f.Reason))
	w.time(f.ExpiresAt)
	w.time(f.LastGood)
	// The newest ones count, should there ever be too many.
	suspect := f.Suspect[max(0, len(f.Suspect)-maxIntervals):]
	w.uint(uint64(len(suspect)))
	for _, i := range suspect {
		w.time(i.From)
		w.time(i.To)
	}
	w.stamps(f.Negatives)
	return w.seal(b, key)
}

func decodeSite(b bucket, key, record []byte, now time.Time) (verify.SiteFact, error) {
	r, err := openRecord(b, key, record, now)
	if err != nil {
		return verify.SiteFact{}, err
	}
	f := verify.SiteFact{Reason: verdict.Reason(r.str())}
	if _, known := verdict.Lookup(f.Reason); f.Reason != "" && !known {
		r.fail("unknown reason")
	}
	f.ExpiresAt, f.LastGood = r.time(), r.time()
	for range r.uint(maxIntervals) {
		f.Suspect = append(f.Suspect, verify.Interval{From: r.time(), To: r.time()})
		if r.err != nil {
			break
		}
	}
	f.Negatives = r.stamps()
	return f, r.end()
}
