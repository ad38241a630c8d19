package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// The revisions of a record rise across deleting and creating it anew, so that a fence never repeats.
func testRevisionRises(t *testing.T, e Engine) {
	s := opened(t, e)
	last := int64(0)
	for range 100 {
		rev := swap(t, s, store.Op{Key: "k"})
		again := swap(t, s, store.Op{Key: "k", Expect: rev, Data: []byte("x")})
		gone := swap(t, s, store.Op{Key: "k", Expect: again, Delete: true})
		if rev <= last || again <= rev || gone <= again {
			t.Fatalf("revisions %d, %d, %d after %d", rev, again, gone, last)
		}
		last = gone
	}
}

// A restart keeps every record, with its revision, and later revisions rise above all earlier ones.
// Faults: N1
func testRestart(t *testing.T, e Engine) {
	open := e.Place(t)
	var last int64
	var want []store.Record
	for round := range 5 {
		s := reopened(t, open)
		same(t, "after the restart", all(t, s), want)
		key := fmt.Sprint("round ", round)
		rev := swap(t, s, store.Op{Key: key, Due: time.UnixMicro(5), Data: []byte(key)})
		passed := swap(t, s, store.Op{Key: "passing"})
		gone := swap(t, s, store.Op{Key: "passing", Expect: passed, Delete: true})
		if rev <= last || passed <= rev || gone <= passed {
			t.Fatalf("round %d: revisions %d, %d, %d after %d", round, rev, passed, gone, last)
		}
		last = gone
		want = append(want, store.Record{Key: key, Rev: rev, Due: time.UnixMicro(5), Data: []byte(key)})
		if e.Forgets {
			want = nil // the engine says that it does: then it must, wholly
		}
		closed(t, s)
	}
}

// The sequence begins at the wall time, so that a lost tail, or all of it, repeats no revision.
func testWallTime(t *testing.T, e Engine) {
	open := e.Place(t)
	for range 3 {
		before := time.Now().UnixMicro()
		s := reopened(t, open)
		if rev := swap(t, s, store.Op{Key: fmt.Sprint(before)}); rev <= before || rev > store.MaxRev {
			t.Fatalf("the first revision is %d, opened at %d µs", rev, before)
		}
		now, err := s.Now(t.Context())
		if err != nil || time.Until(now).Abs() > time.Hour {
			t.Fatalf("Now is %v, %v", now, err)
		}
		closed(t, s)
	}
}

func testRaise(t *testing.T, e Engine) {
	open := e.Place(t)
	s := reopened(t, open)
	raise := func(to int64) {
		t.Helper()
		if err := s.Raise(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
	first := swap(t, s, store.Op{Key: "k"})
	const day = 24 * 3600 * 1e6
	raise(first + day)
	second := swap(t, s, store.Op{Key: "k", Expect: first})
	if second <= first+day {
		t.Fatalf("revision %d after the sequence was raised to %d", second, int64(first+day))
	}
	raise(first)
	raise(0)
	raise(-5)
	third := swap(t, s, store.Op{Key: "k", Expect: second})
	if third <= second {
		t.Fatalf("revision %d after %d: the sequence was lowered", third, second)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 10 {
				to := third + int64(100*(n+1)+i)
				if err := s.Raise(t.Context(), to); err != nil {
					t.Error(err)
					return
				}
				results, err := s.Apply(t.Context(), []store.Group{{{Key: fmt.Sprintf("%d/%d", i, n)}}})
				if err != nil || results[0].Rev <= to {
					t.Errorf("%+v, %v after the sequence was raised to %d", results, err, to)
					return
				}
			}
		})
	}
	wg.Wait()
	raise(third + day)
	closed(t, s)
	if e.Forgets {
		return
	}
	s = reopened(t, open)
	if rev := swap(t, s, store.Op{Key: "after"}); rev <= third+day {
		t.Fatalf("revision %d after a restart, the sequence had been raised to %d", rev, int64(third+day))
	}
}

func testEndOfSequence(t *testing.T, e Engine) {
	s := opened(t, e)
	for _, to := range []int64{store.MaxRev, store.MaxRev + 1} {
		if err := s.Raise(t.Context(), to); !errors.Is(err, store.ErrTooLarge) {
			t.Fatalf("Raise(%d): %v, want %v", to, err, store.ErrTooLarge)
		}
	}
	if err := s.Raise(t.Context(), store.MaxRev-2); err != nil {
		t.Fatal(err)
	}
	if rev := swap(t, s, store.Op{Key: "a"}); rev != store.MaxRev-1 {
		t.Fatalf("revision %d, want %d", rev, int64(store.MaxRev-1))
	}
	if rev := swap(t, s, store.Op{Key: "b"}); rev != store.MaxRev {
		t.Fatalf("revision %d, want %d", rev, int64(store.MaxRev))
	}
	refused(t, s, store.ErrRevision, store.Op{Key: "c"})
	refused(t, s, store.ErrRevision, store.Op{Key: "a", Expect: store.MaxRev - 1, Delete: true})
	absent(t, s, "c")
	get(t, s, "a")
}

// Hints come, and Watch ends with its context or the store. Since hints may be lost, the test writes until one comes.
func testWatch(t *testing.T, e Engine) {
	s := opened(t, e)
	ctx, cancel := context.WithCancel(within(t))
	hints := make(chan string, 1)
	hint := func(key string) {
		select {
		case hints <- key:
		default:
		}
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Watch(ctx, hint) }()
	for n := 0; ; n++ {
		key := fmt.Sprint("key ", n)
		swap(t, s, store.Op{Key: key})
		select {
		case got := <-hints:
			if len(got) < 5 || got[:4] != "key " {
				t.Fatalf("a hint at %q, which nobody wrote", got)
			}
		case <-time.After(20 * time.Millisecond):
			if ctx.Err() != nil {
				t.Fatal("no hint came")
			}
			continue
		}
		break
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Watch ended with %v when its context was cancelled", err)
	}
	go func() { ended <- s.Watch(within(t), hint) }()
	closed(t, s)
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Fatalf("Watch ended with %v when the store was closed", err)
	}
}

// calls is every method that takes a context.
func calls(s store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get":     func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err },
		"List":    func(ctx context.Context) error { _, err := s.List(ctx, "", "", 1); return err },
		"Due":     func(ctx context.Context) error { _, err := s.Due(ctx, time.Now(), 1); return err },
		"Changes": func(ctx context.Context) error { _, _, err := s.Changes(ctx, 0, 1, ""); return err },
		"Watch":   func(ctx context.Context) error { return s.Watch(ctx, func(string) {}) },
		"Raise":   func(ctx context.Context) error { return s.Raise(ctx, 1) },
		"Now":     func(ctx context.Context) error { _, err := s.Now(ctx); return err },
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, []store.Group{{{Key: "k"}}})
			return err
		},
	}
}

func testCancelled(t *testing.T, e Engine) {
	s := opened(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	absent(t, s, "k")

	// Cancelled at any moment, the answer is true: all written, or nothing, or unknown.
	for n := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var group store.Group
		for i := range store.MaxGroup {
			group = append(group, store.Op{Key: fmt.Sprintf("cancelled %d/%d", n, i)})
		}
		go cancel()
		results, err := s.Apply(ctx, []store.Group{group})
		cancel()
		swap(t, s, store.Op{Key: fmt.Sprint("behind it ", n)}) // whatever was still to be written has been by now
		there := len(list(t, s, fmt.Sprintf("cancelled %d/", n), "", store.MaxGroup))
		switch {
		case err == nil && (results[0].Err != nil || there != store.MaxGroup):
			t.Fatalf("answered %+v, and %d of %d records are there", results[0], there, store.MaxGroup)
		case errors.Is(err, context.Canceled) && there != 0:
			t.Fatalf("answered %v, and %d records are there", err, there)
		case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrUnknown):
			t.Fatal(err)
		}
	}
}

func testClosed(t *testing.T, e Engine) {
	s := opened(t, e)
	swap(t, s, store.Op{Key: "k"})
	closed(t, s)
	closed(t, s)
	for name, call := range calls(s) {
		if err := call(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

// A store that is closed while many write ends what is under way: all that was answered is there afterwards, and what
// was refused with ErrClosed is not.
func testCloseUnderLoad(t *testing.T, e Engine) {
	open := e.Place(t)
	s := reopened(t, open)
	var wrote, refused sync.Map
	var n atomic.Int64
	started := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				key := fmt.Sprint("k", n.Add(1))
				results, err := s.Apply(context.Background(), []store.Group{{{Key: key}}})
				switch {
				case errors.Is(err, store.ErrClosed):
					refused.Store(key, true)
					return
				case err != nil || results[0].Err != nil:
					t.Errorf("%v, %v", results, err)
					return
				}
				wrote.Store(key, results[0].Rev)
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range cap(started) / 2 {
		<-started
	}
	for range 3 {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e.Forgets {
		return
	}
	s = reopened(t, open)
	wrote.Range(func(key, rev any) bool {
		if r := get(t, s, key.(string)); r.Rev != rev {
			t.Errorf("%s was answered with revision %d, and has %d", key, rev, r.Rev)
		}
		return true
	})
	refused.Range(func(key, _ any) bool {
		absent(t, s, key.(string))
		return true
	})
}
