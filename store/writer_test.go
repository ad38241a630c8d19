package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// gate is a store in memory that shows every batch, and holds it back until it is let through.
type gate struct {
	*mem.Store
	batches chan []store.Group
	pass    chan error // nil: to the store; else what became of the batch
}

func newGate() *gate {
	return &gate{Store: mem.New(), batches: make(chan []store.Group), pass: make(chan error)}
}

func (g *gate) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	g.batches <- batch
	if err := <-g.pass; err != nil {
		return nil, err
	}
	return g.Store.Apply(ctx, batch)
}

// next lets the batch through that is in flight, or comes, and says what keys it had.
func (g *gate) next(outcome error) (keys []string) {
	for _, group := range <-g.batches {
		for _, op := range group {
			keys = append(keys, op.Key)
		}
	}
	g.pass <- outcome
	return keys
}

type answer struct {
	rev int64
	err error
}

// write writes in a goroutine of its own, and returns when it stands in the queue.
func write(ctx context.Context, w *store.Writer, keys ...string) <-chan answer {
	var g store.Group
	for _, key := range keys {
		g = append(g, store.Op{Key: key})
	}
	out := make(chan answer, 1)
	go func() {
		rev, err := w.Write(ctx, g)
		out <- answer{rev, err}
	}()
	synctest.Wait()
	return out
}

func written(t *testing.T, what string, c <-chan answer) int64 {
	t.Helper()
	a := <-c
	if a.err != nil || a.rev == 0 {
		t.Fatalf("%s: %+v", what, a)
	}
	return a.rev
}

func failed(t *testing.T, what string, c <-chan answer, want error) {
	t.Helper()
	if a := <-c; !errors.Is(a.err, want) || a.rev != 0 {
		t.Fatalf("%s: %+v, want %v", what, a, want)
	}
}

func wantKeys(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("the batch has %q, want %q", got, want)
	}
}

// bubble runs a test on virtual time, which also sees that the writer's goroutine ends.
func bubble(t *testing.T, test func(*testing.T, *gate, *store.Writer)) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		w := store.NewWriter(g)
		test(t, g, w)
		w.Close()
	})
}

func TestLoneGroupGoesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		for _, key := range []string{"a", "b", "a2"} {
			a := write(t.Context(), w, key)
			wantKeys(t, g.next(nil), key)
			written(t, key, a)
		}
	})
}

func TestWhatArrivesMeanwhileGoesTogether(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		a := write(t.Context(), w, "a")
		b, c, d := write(t.Context(), w, "b"), write(t.Context(), w, "c1", "c2"), write(t.Context(), w, "d")
		wantKeys(t, g.next(nil), "a")
		synctest.Wait() // one batch at a time: the next one is held by the gate
		wantKeys(t, g.next(nil), "b", "c1", "c2", "d")
		last := written(t, "a", a)
		for _, c := range []<-chan answer{b, c, d} {
			rev := written(t, "the second batch", c)
			if rev <= last {
				t.Errorf("revision %d after %d", rev, last)
			}
			last = rev
		}
	})
}

// No key is twice in a batch, and groups that share one keep their order, also over a third.
func TestGroupsThatShareAKeyKeepTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		ctx := t.Context()
		x := write(ctx, w, "x")
		ab := write(ctx, w, "a", "b")
		bc := write(ctx, w, "b", "c")
		cd := write(ctx, w, "c", "d") // free but for bc, which is before it
		x2 := write(ctx, w, "x")
		e := write(ctx, w, "e")
		wantKeys(t, g.next(nil), "x")
		wantKeys(t, g.next(nil), "a", "b", "e", "x")
		wantKeys(t, g.next(nil), "b", "c")
		wantKeys(t, g.next(nil), "c", "d")
		written(t, "x", x)
		written(t, "a, b", ab)
		written(t, "e", e)
		failed(t, "b, c: b is there", bc, store.ErrConflict)
		written(t, "c, d: the group before it was refused", cd)
		failed(t, "x again", x2, store.ErrConflict)
	})
}

// Faults: D9
func TestABatchIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		answers := []<-chan answer{write(t.Context(), w, "first")}
		for i := range 2*store.MaxBatch + 1 {
			answers = append(answers, write(t.Context(), w, fmt.Sprint(i)))
		}
		for _, want := range []int{1, store.MaxBatch, store.MaxBatch, 1} {
			if n := len(g.next(nil)); n != want {
				t.Fatalf("a batch of %d, want %d", n, want)
			}
		}
		for i, a := range answers {
			written(t, fmt.Sprint(i), a)
		}
	})
}

// Large groups do not all go together, and the largest one goes alone.
func TestABatchIsBoundedInBytes(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		var group store.Group
		for i := range store.MaxGroup {
			group = append(group, store.Op{Key: fmt.Sprint("big ", i), Data: make([]byte, store.MaxData)})
		}
		first := write(t.Context(), w, "first")
		big := make(chan answer, 1)
		go func() {
			rev, err := w.Write(t.Context(), group)
			big <- answer{rev, err}
		}()
		synctest.Wait()
		small := write(t.Context(), w, "small")
		wantKeys(t, g.next(nil), "first")
		if n := len(g.next(nil)); n != store.MaxGroup {
			t.Fatalf("a batch of %d, want the large group alone", n)
		}
		wantKeys(t, g.next(nil), "small")
		written(t, "first", first)
		written(t, "big", big)
		written(t, "small", small)
	})
}

func TestCancelledWhileQueued(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		ctx, cancel := context.WithCancel(t.Context())
		done, end := context.WithCancel(t.Context())
		end()
		failed(t, "cancelled before", write(done, w, "z"), context.Canceled)
		a := write(t.Context(), w, "a")
		gone := write(ctx, w, "b", "c")    // first for b and c
		goneToo := write(ctx, w, "a", "c") // behind others on both
		b, c := write(t.Context(), w, "b"), write(t.Context(), w, "c", "d")
		cancel()
		failed(t, "cancelled", gone, context.Canceled)
		failed(t, "cancelled too", goneToo, context.Canceled)
		synctest.Wait()
		wantKeys(t, g.next(nil), "a")
		wantKeys(t, g.next(nil), "b", "c", "d") // those behind moved up
		written(t, "a", a)
		written(t, "b", b)
		written(t, "c", c)
	})
}

// A group in flight can no longer be taken back, so Write waits to say what became of it.
func TestCancelledInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		for _, outcome := range []error{nil, store.ErrUnknown, store.ErrUnavailable} {
			ctx, cancel := context.WithCancel(t.Context())
			a := write(ctx, w, "a")
			batch := <-g.batches
			cancel()
			synctest.Wait()
			select {
			case got := <-a:
				t.Fatalf("answered %+v while %v is in flight", got, batch)
			default:
			}
			g.pass <- outcome
			if outcome != nil {
				failed(t, "in flight", a, outcome)
				continue
			}
			rev := written(t, "in flight", a)
			if r, err := g.Get(t.Context(), "a"); err != nil || r.Rev != rev {
				t.Fatalf("answered revision %d, there is %+v, %v", rev, r, err)
			}
		}
	})
}

// Faults: D2
func TestABatchThatFailsFailsForAll(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		for _, want := range []error{store.ErrUnknown, store.ErrUnavailable, store.ErrBroken} {
			first := write(t.Context(), w, "first")
			a, b, a2 := write(t.Context(), w, "a"), write(t.Context(), w, "b"), write(t.Context(), w, "a")
			g.next(want)
			failed(t, "first", first, want)
			g.next(want)
			failed(t, "a", a, want)
			failed(t, "b", b, want)
			wantKeys(t, g.next(want), "a") // and the next one goes on
			failed(t, "a again", a2, want)
		}
	})
}

func TestWriterClose(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		flying := write(t.Context(), w, "a")
		queued, behind, both := write(t.Context(), w, "b"), write(t.Context(), w, "a"), write(t.Context(), w, "a", "b", "c")
		var closing sync.WaitGroup
		for range 3 {
			closing.Go(w.Close)
		}
		failed(t, "queued", queued, store.ErrClosed)
		failed(t, "behind the one in flight", behind, store.ErrClosed)
		failed(t, "behind two", both, store.ErrClosed)
		failed(t, "after Close", write(t.Context(), w, "d"), store.ErrClosed)
		wantKeys(t, g.next(nil), "a")
		written(t, "in flight", flying)
		closing.Wait()
		if l, err := g.List(t.Context(), "", "", 10); err != nil || len(l) != 1 {
			t.Fatalf("there is %+v, %v; want a alone", l, err)
		}
	})
}

// A group that breaks a rule is refused by itself: it does not spoil the batch of others.
func TestBadGroupIsRefusedAlone(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		failed(t, "no operation", write(t.Context(), w), store.ErrInvalid)
		failed(t, "key twice", write(t.Context(), w, "k", "k"), store.ErrInvalid)
		failed(t, "empty key", write(t.Context(), w, ""), store.ErrTooLarge)
		a := write(t.Context(), w, "a")
		wantKeys(t, g.next(nil), "a")
		written(t, "a", a)
	})
}

// A store that hangs does not fill the memory.
func TestQueueIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, g *gate, w *store.Writer) {
		ctx, cancel := context.WithCancel(t.Context())
		group := make(store.Group, store.MaxGroup)
		for i := range group {
			group[i] = store.Op{Key: fmt.Sprint("k", i), Data: make([]byte, store.MaxData)}
		}
		const writes, fit = 40, 31 // of 8 MiB and some bytes each, below 256 MiB
		var full, cancelled, wrote atomic.Int64
		var all sync.WaitGroup
		for range writes {
			all.Go(func() {
				switch _, err := w.Write(ctx, group); {
				case err == nil:
					wrote.Add(1)
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				case errors.Is(err, store.ErrUnavailable):
					full.Add(1)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		small := write(t.Context(), w, "small") // there is room again
		if n := len(g.next(nil)); n != store.MaxGroup {
			t.Fatalf("a batch of %d, want the large group that was in flight", n)
		}
		wantKeys(t, g.next(nil), "small")
		written(t, "small", small)
		all.Wait()
		if wrote.Load() != 1 || cancelled.Load() != fit-1 || full.Load() != writes-fit {
			t.Fatalf("%d written, %d cancelled, %d refused, of %d", wrote.Load(), cancelled.Load(), full.Load(), writes)
		}
	})
}
