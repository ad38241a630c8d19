package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// A hand-over is one swap and one new record. What it writes to the disk before anybody hears of it is the page of each
// and, now and then, those to which a full one gives; nothing for the sequence, and none for an index.
func TestPagesOfAHandOver(t *testing.T) {
	const frame = 24 + 4096 // of the WAL, a page
	path := filepath.Join(t.TempDir(), "data.db")
	s := mustOpen(t, path)
	rev := mustPut(t, s, store.Op{Key: "lock/article/42", Data: make([]byte, 300)})
	for i := range 40 { // so that neither is on the other's page
		mustPut(t, s, store.Op{Key: fmt.Sprintf("i/%d", i), Data: make([]byte, 300)})
	}
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var pages []int64
	for i := range 100 {
		before := size()
		rev = mustPut(t, s, store.Op{Key: "lock/article/42", Expect: rev, Data: make([]byte, 300)},
			store.Op{Key: fmt.Sprintf("history/article/42#%016x", i), Data: make([]byte, 200)})
		pages = append(pages, (size()-before)/frame)
	}
	slices.Sort(pages)
	t.Logf("pages that a hand-over writes, in order: %v", pages)
	if half := pages[len(pages)/2]; half != 2 {
		t.Errorf("half of the hand-overs write %d pages, not 2", half)
	}
	if most := pages[len(pages)-1]; most > 8 {
		t.Errorf("one wrote %d pages", most)
	}
}

// No revision is ever given that the file does not cover, or a crash would give it a second time when the clock was
// set back. Faults: D5
func TestSequenceCoversWhatWasGiven(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "data.db"))
	covered := func(rev int64) {
		t.Helper()
		var kept int64
		if err := s.reader.db.QueryRowContext(t.Context(), "SELECT last FROM sequence").Scan(&kept); err != nil {
			t.Fatal(err)
		}
		if rev > kept {
			t.Fatalf("revision %d was given, the file covers %d", rev, kept)
		}
	}
	early := time.Now().Add(-time.Hour).UnixMicro() // below what the clock alone would give
	if err := s.Raise(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	covered(early)
	last := mustPut(t, s, store.Op{Key: "first"})
	covered(last)
	for i := range 6 { // and over what was reserved in one go
		batch := make([]store.Group, store.MaxBatch)
		for k := range batch {
			batch[k] = store.Group{{Key: fmt.Sprintf("%d/%d", i, k)}}
		}
		results, err := s.Apply(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		covered(results[len(results)-1].Rev)
	}
	for _, to := range []int64{1, ahead / 2, 3 * ahead} {
		rev := mustPut(t, s, store.Op{Key: fmt.Sprint("before ", to)})
		if err := s.Raise(t.Context(), rev+to); err != nil {
			t.Fatal(err)
		}
		covered(rev + to)
		if rev = mustPut(t, s, store.Op{Key: fmt.Sprint("after ", to)}); rev <= to {
			t.Fatalf("revision %d after a raise to %d", rev, to)
		}
		covered(rev)
	}
}
