// Package storetest is the one conformance suite of stores. Every engine passes it whole:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Engine{Place: func(t testing.TB) storetest.Open {
//			path := filepath.Join(t.TempDir(), "data.db")
//			return func() (store.Store, error) { return sqlite.Open(path, sqlite.Options{}) }
//		}})
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// Open opens a store over one place. Called again after Close, it is the same place after a restart.
type Open func() (store.Store, error)

// Engine is what the suite has to know of an engine.
type Engine struct {
	// Place makes a new, empty place for records, which goes when the test ends.
	Place func(t testing.TB) Open
	// Forgets says that a restart loses every record, as memory does. The suite then demands just that.
	Forgets bool
}

// Run holds an engine to the contract of store.Store.
func Run(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"Swap", testSwap},
		{"Keys", testKeys},
		{"RefusedKeys", testRefusedKeys},
		{"Paging", testPaging},
		{"Due", testDue},
		{"Sizes", testSizes},
		{"TooLarge", testTooLarge},
		{"AllOrNothing", testAllOrNothing},
		{"Independent", testIndependent},
		{"Absent", testAbsent},
		{"Keep", testKeep},
		{"Model", testModel},
		{"SwapStorm", testSwapStorm},
		{"TornRead", testTornRead},
		{"RevisionRises", testRevisionRises},
		{"Restart", testRestart},
		{"WallTime", testWallTime},
		{"Raise", testRaise},
		{"EndOfSequence", testEndOfSequence},
		{"Changes", testChanges},
		{"ChangesStorm", testChangesStorm},
		{"Watch", testWatch},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
		{"CloseUnderLoad", testCloseUnderLoad},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// patience is how long a test waits for what must happen, on a loaded machine.
const patience = time.Minute

// opened opens a store over a new place.
func opened(t *testing.T, e Engine) store.Store {
	t.Helper()
	return reopened(t, e.Place(t))
}

func reopened(t *testing.T, open Open) store.Store {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closed(t, s) })
	return s
}

func closed(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// apply does a batch that must not fail as a whole.
func apply(t *testing.T, s store.Store, batch ...store.Group) []store.Result {
	t.Helper()
	results, err := s.Apply(t.Context(), batch)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if len(results) != len(batch) {
		t.Fatalf("Apply: %d results for %d groups", len(results), len(batch))
	}
	for i, r := range results {
		if (r.Err == nil) != (r.Rev > 0) {
			t.Fatalf("group %d: revision %d with error %v", i, r.Rev, r.Err)
		}
	}
	return results
}

// swap does one group that must be written, and returns its revision.
func swap(t *testing.T, s store.Store, g ...store.Op) int64 {
	t.Helper()
	r := apply(t, s, g)[0]
	if r.Err != nil {
		t.Fatalf("swap: %v", r.Err)
	}
	return r.Rev
}

// refused does one group that must be refused.
func refused(t *testing.T, s store.Store, want error, g ...store.Op) {
	t.Helper()
	if r := apply(t, s, g)[0]; !errors.Is(r.Err, want) {
		t.Fatalf("swap: revision %d, error %v; want error %v", r.Rev, r.Err, want)
	}
}

func get(t *testing.T, s store.Store, key string) store.Record {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	return r
}

func absent(t *testing.T, s store.Store, key string) {
	t.Helper()
	if r, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Get(%q) = %+v, %v; want %v", key, r, err, store.ErrNotFound)
	}
}

func list(t *testing.T, s store.Store, prefix, after string, limit int) []store.Record {
	t.Helper()
	l, err := s.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatalf("List(%q, %q, %d): %v", prefix, after, limit, err)
	}
	return l
}

// all lists every record, by pages.
func all(t *testing.T, s store.Store) (l []store.Record) {
	t.Helper()
	after := ""
	for {
		page := list(t, s, "", after, 100)
		if len(page) == 0 {
			return l
		}
		l = append(l, page...)
		after = page[len(page)-1].Key
	}
}

func keys(l []store.Record) []string {
	out := []string{}
	for _, r := range l {
		out = append(out, r.Key)
	}
	return out
}

func same(t *testing.T, what string, got, want []store.Record) {
	t.Helper()
	if !slices.EqualFunc(got, want, equal) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func equal(a, b store.Record) bool {
	return a.Key == b.Key && a.Rev == b.Rev && a.Due.Equal(b.Due) && bytes.Equal(a.Data, b.Data)
}

// within returns a context that fails the test when it ends by time.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
