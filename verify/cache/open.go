package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	fileName = "verdicts.db"
	schema   = "rcptgate 1"

	lockWait = time.Second
	// mapSize is address space, not memory: below it the file grows without
	// waiting for readers.
	mapSize = 1 << 30
	// maxFile is some hundred million verdicts.
	maxFile = min(64<<30, math.MaxInt)
)

var (
	metaBucket  = []byte("meta")
	schemaKey   = []byte("schema")
	bucketNames = [buckets][]byte{
		verdicts: []byte("verdicts"),
		domains:  []byte("domains"),
		sites:    []byte("sites"),
		paces:    []byte("pace"),
	}
)

// handle is an open file.
type handle struct {
	db     *bolt.DB
	file   *os.File
	counts [buckets]int // of the writer alone
}

// damageError says that a file cannot be used and is to be set aside.
type damageError struct{ why string }

func (e *damageError) Error() string { return e.why }

// guarded runs one transaction (or the opening) and turns a panic of bbolt, and
// a fault in the mapped file (cut or unreadable underneath us), into a
// *damageError.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, fault := p.(interface{ Addr() uintptr }); fault {
				p = "a fault in the mapped file, which was cut or cannot be read"
			}
			err = &damageError{fmt.Sprintf("broken inside: %v", p)}
		}
	}()
	return f()
}

// diskTrouble reports errors that pass when the disk is repaired, emptied or
// made writable: they are told by Healthy and tried again.
func diskTrouble(err error) bool {
	for _, e := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EFBIG, berrors.ErrMaxSizeReached,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// openHandle opens the file or begins one. Errors: *damageError, ErrLocked,
// diskTrouble, and what only the operator can mend.
func openHandle(path string, maxSize int) (*handle, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := inspect(path); err != nil {
		return nil, err
	}
	h := &handle{}
	err := guarded(func() (err error) {
		h.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:         lockWait,
			FreelistType:    bolt.FreelistMapType,
			InitialMmapSize: mapSize,
			MaxSize:         maxSize,
			NoStatistics:    true,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				var err error
				h.file, err = os.OpenFile(name, flag, mode)
				return h.file, err
			},
		})
		if err != nil {
			return err
		}
		return h.prepare()
	})
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w (%s)\nhint: one daemon a store; stop the other one, or use its admin socket", ErrLocked, path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		err = &damageError{err.Error()}
	}
	h.abandon()
	return nil, err
}

// abandon gives the file and its lock back without asking bbolt, whose state
// may be broken. The mapping stays, because readers may still be in it; it
// costs address space, and files do not break often. It would keep the lock too,
// so that is given back first.
func (h *handle) abandon() {
	if h.file != nil {
		_ = syscall.Flock(int(h.file.Fd()), syscall.LOCK_UN)
		_ = h.file.Close()
	}
}

// prepare checks that the file is ours, or makes an empty one ours.
func (h *handle) prepare() error {
	fresh := false
	err := h.db.View(func(tx *bolt.Tx) error {
		if first, _ := tx.Cursor().First(); first == nil {
			fresh = true
			return nil
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return &damageError{"a bbolt file of another program"}
		}
		if s := string(meta.Get(schemaKey)); s != schema {
			return &damageError{fmt.Sprintf("schema %.40q, this version writes %q", s, schema)}
		}
		for b, name := range bucketNames {
			if tx.Bucket(name) == nil {
				return &damageError{fmt.Sprintf("no bucket %q", name)}
			}
			if n := meta.Get(countKey(name)); len(n) == 8 {
				h.counts[b] = int(binary.LittleEndian.Uint64(n))
			}
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return h.db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		for _, name := range bucketNames {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return meta.Put(schemaKey, []byte(schema))
	})
}

func countKey(bucketName []byte) []byte { return append([]byte("n "), bucketName...) }

// inspect reads the meta pages of a file and compares its size with what they
// say, because bbolt maps a file that was cut and dies on it later. The pages
// are read before the size, so that a file that grows meanwhile is no mistake.
func inspect(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := readMeta(f)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", path)
	case info.Size() == 0: // bbolt begins it
		return nil
	case m == nil:
		return &damageError{"not a bbolt file, or both its meta pages are broken"}
	case m.freelist == noFreelist:
		return &damageError{"a bbolt file without a freelist, so of another program"}
	case m.pages > uint64(info.Size())/uint64(m.pageSize):
		return &damageError{fmt.Sprintf("cut: %d octets of %d pages of %d", info.Size(), m.pages, m.pageSize)}
	}
	return nil
}

// meta is what matters of a bbolt meta page.
type meta struct {
	pageSize        uint32
	freelist, pages uint64
	txid            uint64
}

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = ^uint64(0)
	minPage     = 1 << 10
	maxPage     = 1 << 24
)

// readMeta returns the newer of the valid meta pages, or nil. The second lies
// one page behind the first; where that is depends on the machine that made the
// file.
func readMeta(f io.ReaderAt) (*meta, error) {
	var best *meta
	for pos := int64(0); pos <= maxPage; pos = max(minPage, 2*pos) {
		var page [80]byte
		n, err := f.ReadAt(page[:], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if m := parseMeta(page[:n]); m != nil && (pos == 0 || pos == int64(m.pageSize)) && (best == nil || m.txid > best.txid) {
			best = m
		}
	}
	return best, nil
}

// parseMeta reads a meta page: a header of 16 octets, then magic, version, page
// size, flags, root, sequence, freelist, pages in use, transaction, checksum.
func parseMeta(page []byte) *meta {
	if len(page) < 80 {
		return nil
	}
	b := page[16:80]
	order := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	m := &meta{
		pageSize: order.Uint32(b[8:]),
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion || order.Uint64(b[56:]) != sum.Sum64() ||
		m.pageSize < minPage || m.pageSize > maxPage {
		return nil
	}
	return m
}

// setAside renames a file that cannot be used, unless another process holds it,
// and returns its new name.
func setAside(path string, now time.Time) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", fmt.Errorf("%w (%s)", ErrLocked, path)
	}
	name := path + ".broken-" + now.UTC().Format("20060102T150405.000Z")
	return name, os.Rename(path, name)
}
