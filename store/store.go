// Package store is the seam between editlock and the engine that keeps its records.
//
// A Store knows nothing of locks: it keeps opaque records with a key, a revision and a due time, and
// changes them by compare-and-swap. All rules live in package lease, once, for every engine; the one
// conformance suite is in package storetest.
package store

import (
	"context"
	"errors"
	"time"
)

// Limits that every store enforces with ErrTooLarge before it writes anything.
const (
	MaxKey   = 640       // bytes of a key
	MaxData  = 64 << 10  // bytes of a record's data
	MaxGroup = 128       // operations in a group
	MaxBatch = 1024      // groups in a batch
	MaxRev   = 1<<53 - 1 // revisions stay exact in a JSON number
)

// Timeout is the longest that a call waits for its engine. A call that has not been answered by then
// returns ErrUnavailable, or ErrUnknown where a write may still happen.
const Timeout = 2 * time.Second

// Errors of a store. A store wraps them, so test with errors.Is.
var (
	// ErrNotFound is returned by Get for a key without a record.
	ErrNotFound = errors.New("store: no such record")
	// ErrConflict is the result of a group one of whose records did not have the expected revision.
	// Nothing of that group was written.
	ErrConflict = errors.New("store: record has another revision")
	// ErrTooLarge refuses a key, data, group or batch above the limits, or an empty key. Nothing was written.
	ErrTooLarge = errors.New("store: too large")
	// ErrInvalid refuses what only a mistake of the caller can send: a key that is not UTF-8 or holds a
	// NUL byte, a group without operations, a key twice in a batch, a negative revision. Nothing was written.
	ErrInvalid = errors.New("store: invalid")
	// ErrUnknown means that the outcome is not known: it may have been written, or may still be.
	// Settle it by a further swap of the same key. An error may be ErrUnknown and ErrBroken at once (a failed
	// fsync): look for ErrUnknown first.
	ErrUnknown = errors.New("store: outcome unknown")
	// ErrUnavailable means that the engine does not answer or cannot write now (disk full, say) and that
	// nothing was written. It may heal.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrBroken means that the store stopped for good, because going on could lose data
	// (a failed fsync, a corrupt file). Only a restart, and perhaps a person, helps.
	ErrBroken = errors.New("store: stopped after a failure")
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("store: closed")
	// ErrRevision means that the sequence would have given a revision not above the record's present
	// one. It must never happen; nothing was written, and it is to be alarmed about.
	ErrRevision = errors.New("store: revision would go back")
)

// Record is what a store keeps under a key. Data is opaque to the store and must not be changed by
// the caller after it was handed over, nor by whoever receives it.
type Record struct {
	Key  string    // UTF-8 without NUL, 1 to MaxKey bytes, ordered bytewise
	Rev  int64     // revision of the group that wrote it; from a sequence that rises over the whole store and never repeats
	Due  time.Time // when the slow pass should look at it, to the microsecond; zero: never
	Data []byte
}

// Op is one compare-and-swap: the record under Key must have revision Expect (0: there must be none),
// and is then replaced, deleted, or kept as it is. Keep, and Expect 0 with Delete, write nothing: they only demand that
// nobody has written this record meanwhile, or that there is none.
type Op struct {
	Key    string
	Expect int64
	Delete bool
	Keep   bool
	Due    time.Time // zero: never due
	Data   []byte
}

// Group is a list of operations on different keys that are done all or none, with one revision.
type Group []Op

// Result is what became of a group: the revision that all its puts have now, or why nothing was written.
type Result struct {
	Rev int64
	Err error
}

// Store is implemented by every engine. All methods may be called at the same time from several
// goroutines, save that callers of Apply should go through one Writer.
//
// A revision is drawn from a sequence of the whole store; every group that writes gets a higher one than any record had
// that it replaces, also across delete and re-creation, restart and kill -9. At open the sequence is
// raised to at least the microseconds of wall time since 1970.
type Store interface {
	// Get returns the record under key, or ErrNotFound.
	Get(ctx context.Context, key string) (Record, error)
	// Apply does every group that it can, each all or nothing and independent of the others, in order,
	// durably. No key may occur twice in a batch. The slice has one result per group; the error
	// is set, and the slice nil, when the batch as a whole failed: ErrUnknown if any of it may have been written,
	// another error if nothing was. A batch that breaks a limit or a rule fails as a whole (see Check).
	// When ctx ends while it is still certain that nothing will be written, Apply returns its error; after
	// that it waits for the outcome, no longer than Timeout.
	Apply(ctx context.Context, batch []Group) ([]Result, error)
	// List returns records whose key starts with prefix and is greater than after, in bytewise key order, at most limit
	// (0 or less: none).
	List(ctx context.Context, prefix, after string, limit int) ([]Record, error)
	// Due returns records due at or before t, the earliest first (by key among equals), at most limit
	// (0 or less: none).
	Due(ctx context.Context, t time.Time, limit int) ([]Record, error)
	// Alone reports whether nobody else can write to these records while this Store is open. Then whoever writes
	// through it knows all that is written, and need neither watch nor ask for changes. What is written is then also in the order of
	// the calls, one opening of the store after the other: a write of unknown outcome is not done after a later one.
	Alone() bool
	// Changes returns records that were written after revision after and whose key starts with one of the prefixes, each
	// as it is now, in the order of their revisions; and the revision up to which that is complete, from which to ask next time:
	// whatever is written later gets one above it, even what is under way now. After limit records, and those that
	// have the last one's revision, it stops there. A negative after asks for the revision alone.
	// Whatever was written before the call is in it; that a record was deleted, it does not tell.
	Changes(ctx context.Context, after int64, limit int, prefixes ...string) (changed []Record, upTo int64, err error)
	// Watch calls hint with keys that have probably changed, until ctx is done. Hints may be lost, doubled, or about this
	// process's own writes: they only say that a look is worth while. hint must not block. Watch blocks,
	// and returns the error of ctx, or ErrClosed.
	Watch(ctx context.Context, hint func(key string)) error
	// Raise makes every later revision greater than rev, durably. It never lowers the sequence. A rev of
	// MaxRev or more is refused with ErrTooLarge.
	Raise(ctx context.Context, rev int64) error
	// Now is the store's own wall clock. It is for people and for the slow pass; no safety rests on it.
	Now(ctx context.Context) (time.Time, error)
	// Close releases what the store holds. Calls under way end first. A second Close does nothing.
	Close() error
}
