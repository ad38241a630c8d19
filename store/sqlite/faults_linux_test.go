package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/store"
)

// A full disk: what cannot be written is refused, wholly, what was answered is there, reads work, and when there is
// room it goes on without a restart.
// Faults: D6
func TestDiskFull(t *testing.T) {
	if !alone(t, ownMounts()) {
		return
	}
	dir := smallDisk(t, 6<<20)
	path, ballast := filepath.Join(dir, "data.db"), filepath.Join(dir, "ballast")
	write(t, ballast, make([]byte, 2<<20))
	s := mustOpen(t, path)
	w := store.NewWriter(s)
	defer w.Close()
	wrote := map[string]int64{}
	pair := func(n int) store.Group {
		data := bytes.Repeat([]byte{byte(n)}, 20_000)
		return store.Group{{Key: fmt.Sprintf("a/%d", n), Data: data}, {Key: fmt.Sprintf("b/%d", n), Data: data}}
	}
	n := 0
	fillUp := func() {
		t.Helper()
		for refusals := 0; refusals < 5; n++ {
			if n > 1000 {
				t.Fatal("the disk is never full")
			}
			g := pair(n)
			rev, err := w.Write(t.Context(), g)
			switch {
			case err == nil:
				wrote[g[0].Key], wrote[g[1].Key] = rev, rev
				continue
			case !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown):
				t.Fatalf("write %d: %v", n, err)
			}
			refusals++
			for _, op := range g {
				if has(t, s, op.Key) {
					t.Fatalf("%s was refused (%v) and is there", op.Key, err)
				}
			}
		}
	}
	check := func() {
		t.Helper()
		l, err := s.List(t.Context(), "", "", 1<<20)
		if err != nil || len(l) != len(wrote) {
			t.Fatalf("%d records (%v), %d were answered", len(l), err, len(wrote))
		}
		for _, r := range l {
			if wrote[r.Key] != r.Rev {
				t.Fatalf("%s has revision %d, %d was answered", r.Key, r.Rev, wrote[r.Key])
			}
		}
	}
	fillUp()
	check()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	g := pair(10_000)
	rev, err := w.Write(t.Context(), g)
	if err != nil {
		t.Fatalf("there is room again, and: %v", err)
	}
	wrote[g[0].Key], wrote[g[1].Key] = rev, rev
	fillUp()
	check()

	w.Close()
	mustClose(t, s) // on a full disk
	s, err = open(path, Options{}, patient())
	if err != nil {
		t.Fatalf("on a full disk: %v", err)
	}
	defer s.Close()
	check()
	var freed int64
	for key, rev := range wrote { // deleting makes room
		if _, err := put(t.Context(), s, store.Op{Key: key, Expect: rev, Delete: true}); err == nil {
			delete(wrote, key)
			freed++
		} else if !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	check()
	t.Logf("%d of %d records could be deleted on the full disk", freed, freed+int64(len(wrote)))
}

// No room for a new file: a clear error, and nothing left behind.
// Faults: D6
func TestNoRoomToBegin(t *testing.T) {
	if !alone(t, ownMounts()) {
		return
	}
	dir := smallDisk(t, 16<<10)
	if s, err := Open(filepath.Join(dir, "data.db"), Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, %v; want %v", s, err, store.ErrUnavailable)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 1 { // the lock file
		t.Errorf("%q is left, %v", left, err)
	}
}

// The disk says that it is full in the middle of a COMMIT.
// Faults: D6
func TestDiskFullInACommit(t *testing.T) {
	if !alone(t, nil) {
		return
	}
	path := filepath.Join(t.TempDir(), "data.db")
	s := mustOpen(t, path)
	rev := mustPut(t, s, store.Op{Key: "before"})
	d := watchDisk(t, unix.SYS_PWRITE64)
	for after := range 8 {
		var n atomic.Int64
		d.set(func(file string) act {
			if file == "data.db-wal" && n.Add(1) > int64(after) {
				return enospc
			}
			return pass
		})
		key := fmt.Sprint("after ", after)
		_, err := put(t.Context(), s, store.Op{Key: key, Data: make([]byte, 9000)}, store.Op{Key: "twin " + key})
		if err == nil && after > 2 {
			break // the whole transaction has gone through
		}
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) || has(t, s, key) || has(t, s, "twin "+key) {
			t.Fatalf("full after %d writes: %v", after, err)
		}
		d.set(func(string) act { return pass })
		healed := mustPut(t, s, store.Op{Key: "healed " + key})
		if healed <= rev {
			t.Fatalf("revision %d after %d", healed, rev)
		}
		rev = healed
	}
	mustClose(t, s)
	s = mustOpen(t, path)
	if !has(t, s, "before") || has(t, s, "after 0") || has(t, s, "twin after 1") || !has(t, s, "healed after 0") {
		t.Error("after a restart there is something else")
	}
}

// SQLite's own limit of pages, which stops a statement rather than a COMMIT.
// Faults: D6
func TestNoMorePages(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "data.db"))
	pages := func(n int) {
		t.Helper()
		if _, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, s, store.Op{Key: "small"})
	pages(20)
	batch := []store.Group{{{Key: "a"}}, {{Key: "b"}, {Key: "big", Data: make([]byte, store.MaxData)}, {Key: "more", Data: make([]byte, store.MaxData)}}, {{Key: "c"}}}
	if _, err := s.Apply(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want %v", err, store.ErrUnavailable)
	}
	if l, err := s.List(t.Context(), "", "", 10); err != nil || len(l) != 1 {
		t.Fatalf("something was written: %d, %v", len(l), err)
	}
	pages(1 << 20)
	for _, r := range mustApply(t, s, batch) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func mustApply(t *testing.T, s *Store, batch []store.Group) []store.Result {
	t.Helper()
	results, err := s.Apply(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Each write is synced before it is answered. When a sync fails, the store stops for good: the kernel may have dropped
// what was to be written, and a second sync would say that all is well.
// Faults: D7, D8
func TestSyncFails(t *testing.T) { syncFails(t, unix.SYS_FDATASYNC, unix.SYS_FSYNC) }

// The same when the write itself fails.
// Faults: D7
func TestWriteFails(t *testing.T) { syncFails(t, unix.SYS_PWRITE64) }

func syncFails(t *testing.T, calls ...uint32) {
	if !alone(t, nil) {
		return
	}
	path := filepath.Join(t.TempDir(), "data.db")
	s := mustOpen(t, path)
	d := watchDisk(t, calls...)
	for i := range 20 {
		before := d.count("data.db-wal")
		mustPut(t, s, store.Op{Key: fmt.Sprint("before ", i)})
		if d.count("data.db-wal") == before {
			t.Fatal("a write was answered and did not reach the disk")
		}
	}
	var failed atomic.Bool
	d.set(func(string) act { // once: what is tried again would go well
		if failed.CompareAndSwap(false, true) {
			return eio
		}
		return pass
	})
	_, err := put(t.Context(), s, store.Op{Key: "one"}, store.Op{Key: "two"})
	if !errors.Is(err, store.ErrUnknown) || !errors.Is(err, store.ErrBroken) {
		t.Fatalf("%v, want %v and %v", err, store.ErrUnknown, store.ErrBroken)
	}
	calls0 := d.count("data.db-wal") + d.count("data.db")
	sums := sum(t, path)
	for range 3 {
		_, err := put(t.Context(), s, store.Op{Key: "later"})
		_, errGet := s.Get(t.Context(), "before 1")
		_, errList := s.List(t.Context(), "", "", 1)
		_, errDue := s.Due(t.Context(), time.Now(), 1)
		for what, err := range map[string]error{"Apply": err, "Get": errGet, "List": errList, "Due": errDue, "Raise": s.Raise(t.Context(), 1)} {
			if !errors.Is(err, store.ErrBroken) || errors.Is(err, store.ErrUnknown) {
				t.Errorf("%s: %v, want %v", what, err, store.ErrBroken)
			}
		}
	}
	mustClose(t, s)
	if n := d.count("data.db-wal") + d.count("data.db"); n != calls0 || sum(t, path) != sums {
		t.Errorf("the files were touched after the failure: %d calls", n-calls0)
	}
	s = mustOpen(t, path)
	for i := range 20 {
		if !has(t, s, fmt.Sprint("before ", i)) {
			t.Errorf("what was answered is lost: %d", i)
		}
	}
	if has(t, s, "one") != has(t, s, "two") || has(t, s, "later") {
		t.Error("half a group is there, or what was refused")
	}
	mustPut(t, s, store.Op{Key: "later"})
}

func sum(t *testing.T, path string) string {
	t.Helper()
	return fmt.Sprintf("%x %x", sha256.Sum256(read(t, path)), sha256.Sum256(read(t, path+"-wal")))
}

// A checkpoint whose sync fails stops the store as well.
// Faults: D7
func TestCheckpointFails(t *testing.T) {
	if !alone(t, nil) {
		return
	}
	lim := patient()
	lim.passive = 1 // after every write
	s, err := open(filepath.Join(t.TempDir(), "data.db"), Options{}, lim)
	if err != nil {
		t.Fatal(err)
	}
	d := watchDisk(t, unix.SYS_FDATASYNC, unix.SYS_FSYNC)
	d.set(func(file string) act {
		if file == "data.db" {
			return eio
		}
		return pass
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for rev := int64(0); ; {
		if rev, err = put(ctx, s, store.Op{Key: "k", Expect: rev}); errors.Is(err, store.ErrBroken) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := d.count("data.db"); n != 1 {
		t.Errorf("the data file was synced %d times", n)
	}
	mustClose(t, s)
}

// A disk that hangs: the write in flight has an unknown outcome, later ones are refused and never written, reads go on,
// and when it answers again, so does the store.
// Faults: D2, D3, D12
func TestDiskHangs(t *testing.T) {
	if !alone(t, nil) {
		return
	}
	path := filepath.Join(t.TempDir(), "data.db")
	lim := defaults
	lim.timeout = 300 * time.Millisecond
	s, err := open(path, Options{}, lim)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := mustPut(t, s, store.Op{Key: "k", Data: []byte("first")})
	d := watchDisk(t, unix.SYS_FDATASYNC, unix.SYS_FSYNC)
	d.set(func(string) act { return hang })

	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := put(ctx, s, store.Op{Key: "k", Expect: first, Data: []byte("second")})
		answered <- err
	}()
	<-d.held
	cancel() // too late to take it back
	if err := <-answered; !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("%v, want %v", err, store.ErrUnknown)
	}
	if _, err := put(t.Context(), s, store.Op{Key: "later"}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want %v", err, store.ErrUnavailable)
	}
	if r, err := s.Get(t.Context(), "k"); err != nil || string(r.Data) != "first" {
		t.Fatalf("%+v, %v: what is not durable must not be read", r, err)
	}
	d.let()
	deadline, end := context.WithTimeout(t.Context(), patience)
	defer end()
	for { // a further swap of the key settles it
		_, err := put(deadline, s, store.Op{Key: "k", Expect: first, Data: []byte("third")})
		if errors.Is(err, store.ErrConflict) {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%v, want %v: the hanging write was done in the end", err, store.ErrConflict)
		}
	}
	if r, err := s.Get(t.Context(), "k"); err != nil || string(r.Data) != "second" || r.Rev <= first || has(t, s, "later") {
		t.Fatalf("%+v, %v", r, err)
	}
}
