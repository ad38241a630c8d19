package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/editlock/editlock/store"
)

// changes asks for what was written, until all of it has come, limit at a time.
func changes(t *testing.T, s store.Store, after int64, limit int, prefixes ...string) (all []store.Record, upTo int64) {
	t.Helper()
	for {
		page, next, err := s.Changes(t.Context(), after, limit, prefixes...)
		if err != nil {
			t.Fatalf("Changes: %v", err)
		}
		for i, r := range page {
			switch {
			case r.Rev <= after || r.Rev > next:
				t.Fatalf("Changes after %d up to %d has %q with revision %d", after, next, r.Key, r.Rev)
			case i > 0 && r.Rev < page[i-1].Rev:
				t.Fatalf("Changes has revision %d after %d", r.Rev, page[i-1].Rev)
			case i > limit && r.Rev != page[limit-1].Rev:
				t.Fatalf("Changes goes on after %d records, with one of another revision", limit)
			}
		}
		if next < after {
			t.Fatalf("Changes after %d is complete up to %d only", after, next)
		}
		all, after = append(all, page...), next
		if len(page) < limit {
			return all, next
		}
	}
}

// Changes are what was written since, as it is now, in the order of the revisions, and nothing else.
func testChanges(t *testing.T, e Engine) {
	s := opened(t, e)
	early := swap(t, s, store.Op{Key: "a/early"}, store.Op{Key: "b/early"})
	list, from, err := s.Changes(t.Context(), -1, 10, "a/")
	if err != nil || len(list) > 0 || from < early {
		t.Fatalf("the present revision: %d, %v, %v; want at least %d", from, list, err, early)
	}
	if got, _ := changes(t, s, from, 10, "a/", "b/"); len(got) > 0 {
		t.Fatalf("nothing was written since, but Changes has %q", keys(got))
	}

	one := swap(t, s, store.Op{Key: "a/1", Data: []byte("one")})
	swap(t, s, store.Op{Key: "a/1", Expect: one, Data: []byte("two")}, store.Op{Key: "b/1"}, store.Op{Key: "c/1"})
	gone := swap(t, s, store.Op{Key: "a/gone"})
	swap(t, s, store.Op{Key: "a/gone", Expect: gone, Delete: true})
	for i := range 9 {
		swap(t, s, store.Op{Key: fmt.Sprint("a/x", i)}, store.Op{Key: fmt.Sprint("b/x", i)}, store.Op{Key: fmt.Sprint("c/x", i)})
	}
	refused(t, s, store.ErrConflict, store.Op{Key: "a/refused"}, store.Op{Key: "a/1"})
	want := slices.DeleteFunc(all(t, s), func(r store.Record) bool { return r.Rev <= from || strings.HasPrefix(r.Key, "c/") })
	inOrder := func(a, b store.Record) int { return cmp.Or(cmp.Compare(a.Rev, b.Rev), strings.Compare(a.Key, b.Key)) }
	slices.SortFunc(want, inOrder)
	for limit := range 25 {
		got, _ := changes(t, s, from, max(limit, 1), "a/", "b/")
		slices.SortFunc(got, inOrder)
		same(t, fmt.Sprint("changes, ", limit, " at a time"), got, want)
	}
	if got, _ := changes(t, s, from, 10, "nothing/"); len(got) > 0 {
		t.Fatalf("Changes has %q", keys(got))
	}
	if got, _ := changes(t, s, from, 10); len(got) > 0 {
		t.Fatalf("without a prefix, Changes has %q", keys(got))
	}
}

// Whoever asks again and again, each time from where the last answer was complete, hears of everything, however many write.
func testChangesStorm(t *testing.T, e Engine) {
	s := opened(t, e)
	w := store.NewWriter(s)
	defer w.Close()
	_, from, err := s.Changes(t.Context(), -1, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	var writing sync.WaitGroup
	for i := range 6 {
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 0))
			revs := map[string]int64{}
			for n := range 60 {
				key := fmt.Sprintf("k/%d/%d", i, rnd.IntN(20))
				g := store.Group{{Key: key, Expect: revs[key], Data: fmt.Append(nil, n)}, {Key: fmt.Sprintf("other/%d/%d", i, n)}}
				rev, err := w.Write(ctx, g)
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				revs[key] = rev
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); writing.Wait() }()
	heard := map[string]store.Record{}
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		var got []store.Record
		got, from = changes(t, s, from, 7, "k/")
		for _, r := range got {
			heard[r.Key] = r
		}
	}
	var got []store.Record
	for _, k := range slices.Sorted(maps.Keys(heard)) {
		got = append(got, heard[k])
	}
	same(t, "what was heard of", got, list(t, s, "k/", "", 1000))
}

// An operation that keeps a record demands that it has not changed, and changes nothing.
func testKeep(t *testing.T, e Engine) {
	s := opened(t, e)
	kept := swap(t, s, store.Op{Key: "kept", Data: []byte("one")})
	before := get(t, s, "kept")
	rev := swap(t, s, store.Op{Key: "kept", Expect: kept, Keep: true}, store.Op{Key: "with it"}, store.Op{Key: "absent", Keep: true})
	same(t, "what was kept", []store.Record{get(t, s, "kept")}, []store.Record{before})
	absent(t, s, "absent")
	if got := get(t, s, "with it").Rev; got != rev || rev <= kept {
		t.Fatalf("revision %d after %d, result %d", got, kept, rev)
	}
	for _, op := range []store.Op{
		{Key: "kept", Expect: kept - 1, Keep: true}, {Key: "kept", Expect: kept + 1, Keep: true}, {Key: "kept", Expect: store.MaxRev, Keep: true},
		{Key: "kept", Keep: true}, {Key: "absent", Expect: kept, Keep: true},
	} {
		refused(t, s, store.ErrConflict, store.Op{Key: "not written"}, op)
		refused(t, s, store.ErrConflict, op)
	}
	absent(t, s, "not written")
	if got, _ := changes(t, s, kept, 10, "kept"); len(got) > 0 {
		t.Fatal("to keep a record counts as a change of it")
	}
}
