package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/editlock/editlock/store"
)

// Under a load that never pauses the WAL does not grow without end, and nothing that it held is lost.
func TestWALIsBounded(t *testing.T) {
	lim := patient()
	lim.passive, lim.wal = 32<<10, 512<<10
	path := filepath.Join(t.TempDir(), "data.db")
	s, err := open(path, Options{}, lim)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := store.NewWriter(s)
	const writers, each = 8, 120
	var highest int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				if _, err := w.Write(t.Context(), store.Group{{Key: fmt.Sprintf("%d/%d", i, n), Data: make([]byte, 8000)}}); err != nil {
					t.Error(err)
					return
				}
				if _, err := s.List(t.Context(), fmt.Sprint(i), "", 20); err != nil { // a reader holds the WAL now and then
					t.Error(err)
					return
				}
				info, err := os.Stat(path + "-wal")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				highest = max(highest, info.Size())
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	w.Close()
	t.Logf("%d KiB were written, the WAL had %d KiB at most", writers*each*8, highest>>10)
	if highest > 4*lim.wal {
		t.Errorf("the WAL had %d bytes, the limit is about %d", highest, lim.wal)
	}
	if l, err := s.List(t.Context(), "", "", 10000); err != nil || len(l) != writers*each {
		t.Errorf("%d records, %v", len(l), err)
	}
}

// While some other program writes to the file nothing can be written. That is said in time, and what was refused is not
// written later.
func TestLockedByAnotherProgram(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"the engine gives up": defaults.timeout, "we give up": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			lim := defaults
			lim.timeout = timeout
			path := filepath.Join(t.TempDir(), "data.db")
			s, err := open(path, Options{}, lim)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			mustPut(t, s, store.Op{Key: "before"})
			db := connect(path)
			defer db.Close()
			other, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := put(t.Context(), s, store.Op{Key: "refused"}); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%v, want %v", err, store.ErrUnavailable)
			}
			t.Logf("refused after %v", time.Since(began))
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := put(ctx, s, store.Op{Key: "cancelled"}); !errors.Is(err, context.Canceled) {
				t.Fatalf("%v, want %v", err, context.Canceled)
			}
			if !has(t, s, "before") {
				t.Error("cannot read beside it")
			}
			if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
				t.Fatal(err)
			}
			deadline, end := context.WithTimeout(t.Context(), patience)
			defer end()
			for {
				_, err := put(deadline, s, store.Op{Key: "after"})
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrUnavailable) {
					t.Fatal(err)
				}
			}
			if has(t, s, "refused") || has(t, s, "cancelled") {
				t.Error("what was refused has been written")
			}
		})
	}
}

// A store that was closed leaves no goroutine, no open file and no WAL.
func TestCloseLeavesNothing(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	path := filepath.Join(t.TempDir(), "data.db")
	files := 0
	for round := range 5 {
		s := mustOpen(t, path)
		mustPut(t, s, store.Op{Key: fmt.Sprint(round)})
		if !has(t, s, fmt.Sprint(round)) {
			t.Fatal("it is not there")
		}
		mustClose(t, s)
		open, err := filepath.Glob("/dev/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			files = len(open)
		} else if len(open) > files {
			t.Fatalf("%d open files after round %d, %d after the first", len(open), round, files)
		}
		for _, rest := range []string{"-wal", "-shm"} {
			if _, err := os.Stat(path + rest); err == nil {
				t.Fatalf("there is still %s", rest)
			}
		}
	}
	goleak.VerifyNone(t, ignore)
}
