package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/editlock/editlock/store"
)

// Many goroutines increment one record, some through a Writer and some past it. No update is lost, and no revision
// is given twice.
// Faults: D9
func testSwapStorm(t *testing.T, e Engine) {
	const writers, direct, each = 24, 4, 12
	s := opened(t, e)
	w := store.NewWriter(s)
	defer w.Close()
	ctx := within(t)
	past := func(ctx context.Context, g store.Group) (int64, error) {
		results, err := s.Apply(ctx, []store.Group{g})
		if err != nil {
			return 0, err
		}
		return results[0].Rev, results[0].Err
	}
	var mu sync.Mutex
	var revs []int64
	var wg sync.WaitGroup
	for i := range writers + direct {
		write := w.Write
		if i < direct {
			write = past
		}
		wg.Go(func() {
			for range each {
				rev, err := increment(ctx, s, write, "counter", "twin")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				revs = append(revs, rev)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, key := range []string{"counter", "twin"} {
		if got := count(get(t, s, key)); got != (writers+direct)*each {
			t.Errorf("%s is %d after %d increments", key, got, (writers+direct)*each)
		}
	}
	slices.Sort(revs)
	if n := len(slices.Compact(slices.Clone(revs))); n != len(revs) {
		t.Errorf("%d revisions for %d swaps", n, len(revs))
	}
	if top := get(t, s, "counter").Rev; len(revs) > 0 && top != revs[len(revs)-1] {
		t.Errorf("the record has revision %d, the last one given is %d", top, revs[len(revs)-1])
	}
}

// increment adds one to all keys, in one group, until it has not been overtaken.
func increment(ctx context.Context, s store.Store, write func(context.Context, store.Group) (int64, error), keys ...string) (int64, error) {
	for {
		var g store.Group
		for _, key := range keys {
			r, err := s.Get(ctx, key)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return 0, err
			}
			g = append(g, store.Op{Key: key, Expect: r.Rev, Data: binary.BigEndian.AppendUint64(nil, count(r)+1)})
		}
		rev, err := write(ctx, g)
		if !errors.Is(err, store.ErrConflict) {
			return rev, err
		}
	}
}

func count(r store.Record) uint64 {
	if r.Rev == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(r.Data)
}

// Whoever lists while groups are written never sees half of one, and sees what was answered before.
func testTornRead(t *testing.T, e Engine) {
	const rounds = 60
	s := opened(t, e)
	w := store.NewWriter(s)
	defer w.Close()
	ctx := within(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := s.List(ctx, "pair/", "", 10)
				if err != nil {
					t.Error(err)
					return
				}
				for i := 1; i < len(l); i += 2 {
					if l[i].Rev != l[i-1].Rev || count(l[i]) != count(l[i-1]) {
						t.Errorf("half a group was seen: %+v", l)
						return
					}
				}
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			for n := range rounds {
				rev, err := increment(ctx, s, w.Write, fmt.Sprintf("pair/%d/a", i), fmt.Sprintf("pair/%d/b", i))
				if err != nil {
					t.Error(err)
					return
				}
				r, err := s.Get(ctx, fmt.Sprintf("pair/%d/b", i))
				if err != nil || r.Rev != rev || count(r) != uint64(n+1) {
					t.Errorf("after revision %d was answered: %+v, %v", rev, r, err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
}
