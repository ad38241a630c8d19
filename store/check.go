package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check says whether a batch keeps the limits and rules of the seam: ErrTooLarge or ErrInvalid if not.
// Every engine calls it before it writes anything, so that all of them refuse the same.
func Check(batch []Group) error {
	if len(batch) > MaxBatch {
		return fmt.Errorf("%w: %d groups in a batch, at most %d", ErrTooLarge, len(batch), MaxBatch)
	}
	ops := 0
	for _, g := range batch {
		ops += len(g)
	}
	seen := make(map[string]struct{}, ops)
	for _, g := range batch {
		if err := checkGroup(g); err != nil {
			return err
		}
		for _, op := range g {
			if _, twice := seen[op.Key]; twice {
				return fmt.Errorf("%w: key %q twice in a batch", ErrInvalid, op.Key)
			}
			seen[op.Key] = struct{}{}
		}
	}
	return nil
}

func checkGroup(g Group) error {
	switch {
	case len(g) == 0:
		return fmt.Errorf("%w: a group without operations", ErrInvalid)
	case len(g) > MaxGroup:
		return fmt.Errorf("%w: %d operations in a group, at most %d", ErrTooLarge, len(g), MaxGroup)
	}
	for _, op := range g {
		if err := CheckKey(op.Key); err != nil {
			return err
		}
		switch {
		case len(op.Data) > MaxData:
			return fmt.Errorf("%w: %d bytes of data under %q, at most %d", ErrTooLarge, len(op.Data), op.Key, MaxData)
		case op.Keep && (op.Delete || op.Data != nil || !op.Due.IsZero()):
			return fmt.Errorf("%w: %q is to be kept, and written or deleted too", ErrInvalid, op.Key)
		case op.Expect < 0:
			return fmt.Errorf("%w: revision %d expected of %q", ErrInvalid, op.Expect, op.Key)
		}
	}
	return nil
}

// CheckKey says whether a key can be kept: ErrTooLarge or ErrInvalid if not.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: an empty key", ErrTooLarge)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: a key of %d bytes, at most %d", ErrTooLarge, len(key), MaxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: key %q is not UTF-8", ErrInvalid, key)
	case strings.IndexByte(key, 0) >= 0:
		return fmt.Errorf("%w: key %q holds a NUL byte", ErrInvalid, key)
	}
	return nil
}
