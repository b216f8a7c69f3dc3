package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// keySize is the length of the key file in octets.
const keySize = 32

// Key reads the key file, or makes it when it is missing: 32 random octets,
// mode 0600, the same on all hosts of a fleet. A file of another size, or one
// that others than its owner may read or write, is refused with words.
func Key(path string) ([]byte, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return readKey(path) // ours, or that of a process that was faster
}

func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("key file %s: not a regular file", path)
	case mode.Perm()&0o077 != 0:
		return nil, fmt.Errorf("key file %s: others than its owner may use it (mode %04o)\nhint: chmod 600, or remove it for a new one", path, mode.Perm())
	case info.Size() != keySize:
		return nil, fmt.Errorf("key file %s: %d octets, not %d\nhint: remove it for a new one; what is stored under the old one is then lost", path, info.Size(), keySize)
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(f, key); err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return key, nil
}

// makeKey writes a whole new file under another name and links it, so that
// nobody ever reads half a key.
func makeKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // without a name that nobody knows
		}
		return fmt.Errorf("make %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	key := make([]byte, keySize)
	rand.Read(key) // never fails
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
