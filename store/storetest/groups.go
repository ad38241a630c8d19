package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// A group is done whole or not at all, wherever in it the operation stands that is refused.
func testAllOrNothing(t *testing.T, e Engine) {
	s := opened(t, e)
	a := swap(t, s, store.Op{Key: "a", Data: []byte("old"), Due: time.UnixMicro(7)})
	b := swap(t, s, store.Op{Key: "b", Data: []byte("old")})
	good := store.Group{
		{Key: "a", Expect: a, Data: []byte("new")},
		{Key: "b", Expect: b, Delete: true},
		{Key: "c", Data: []byte("new"), Due: time.UnixMicro(9)},
	}
	before := all(t, s)
	for _, bad := range []store.Op{
		{Key: "x", Expect: a},
		{Key: "x", Expect: a, Delete: true},
		{Key: "x", Expect: store.MaxRev},
	} {
		for i := range len(good) + 1 {
			refused(t, s, store.ErrConflict, slices.Insert(slices.Clone(good), i, bad)...)
			same(t, fmt.Sprintf("with a refused operation in place %d", i), all(t, s), before)
		}
	}
	rev := swap(t, s, good...)
	same(t, "the group", all(t, s), []store.Record{
		{Key: "a", Rev: rev, Data: []byte("new")}, {Key: "c", Rev: rev, Data: []byte("new"), Due: time.UnixMicro(9)},
	})
}

// The groups of a batch do not depend on one another, and their revisions rise in order.
func testIndependent(t *testing.T, e Engine) {
	s := opened(t, e)
	have := swap(t, s, store.Op{Key: "have"})
	results := apply(t, s,
		store.Group{{Key: "one"}, {Key: "two"}},
		store.Group{{Key: "three"}, {Key: "missing", Expect: have}},
		store.Group{{Key: "have"}},
		store.Group{{Key: "four"}},
		store.Group{{Key: "missing too", Expect: have, Delete: true}, {Key: "five"}},
		store.Group{{Key: "six"}},
	)
	last := have
	for i, good := range []bool{true, false, false, true, false, true} {
		r := results[i]
		switch {
		case !good && !errors.Is(r.Err, store.ErrConflict):
			t.Errorf("group %d: %+v, want a conflict", i, r)
		case good && (r.Err != nil || r.Rev <= last):
			t.Errorf("group %d: %+v after revision %d", i, r, last)
		case good:
			last = r.Rev
		}
	}
	if got, want := keys(all(t, s)), []string{"four", "have", "one", "six", "two"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	if one, two := get(t, s, "one"), get(t, s, "two"); one.Rev != two.Rev || one.Rev != results[0].Rev {
		t.Errorf("one group, revisions %d and %d, result %d", one.Rev, two.Rev, results[0].Rev)
	}
}

// An operation can demand that there is no record, and write nothing.
func testAbsent(t *testing.T, e Engine) {
	s := opened(t, e)
	rev := swap(t, s, store.Op{Key: "k", Delete: true}, store.Op{Key: "l"})
	absent(t, s, "k")
	if got := get(t, s, "l").Rev; got != rev {
		t.Fatalf("revision %d, result %d", got, rev)
	}
	refused(t, s, store.ErrConflict, store.Op{Key: "m"}, store.Op{Key: "l", Delete: true})
	absent(t, s, "m")
	swap(t, s, store.Op{Key: "k", Delete: true})
	absent(t, s, "k")
	swap(t, s, store.Op{Key: "k"})
}

// testModel does random batches on a store and on a map, which must agree on every result and on all that is there.
func testModel(t *testing.T, e Engine) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	open := e.Place(t)
	s := reopened(t, open)
	model := map[string]store.Record{}
	var last int64
	for round := range 150 {
		if round%50 == 49 && !e.Forgets {
			closed(t, s)
			s = reopened(t, open)
		}
		batch := randomBatch(rnd, model)
		for i, r := range apply(t, s, batch...) {
			if want := fits(model, batch[i]); (r.Err == nil) != want {
				t.Fatalf("round %d: group %+v with %+v: %v", round, batch[i], model, r.Err)
			}
			if r.Err != nil {
				continue
			}
			if r.Rev <= last {
				t.Fatalf("round %d: revision %d after %d", round, r.Rev, last)
			}
			last = r.Rev
			for _, op := range batch[i] {
				if op.Keep {
					continue
				}
				if op.Delete {
					delete(model, op.Key)
				} else {
					model[op.Key] = store.Record{Key: op.Key, Rev: r.Rev, Due: op.Due, Data: op.Data}
				}
			}
		}
		compare(t, s, model, rnd)
	}
}

func randomBatch(rnd *rand.Rand, model map[string]store.Record) []store.Group {
	names := rnd.Perm(24)
	var batch []store.Group
	for len(names) > 0 && rnd.IntN(8) > 0 {
		var g store.Group
		for n := 1 + rnd.IntN(4); n > 0 && len(names) > 0; n-- {
			op := store.Op{Key: string(rune('a' + names[0])), Delete: rnd.IntN(3) == 0, Data: fmt.Append(nil, rnd.Int())}
			names = names[1:]
			op.Expect = model[op.Key].Rev
			if rnd.IntN(8) == 0 {
				op.Expect = max(0, op.Expect+rnd.Int64N(3)-1)
			}
			switch rnd.IntN(5) {
			case 0, 1:
				op.Due = time.UnixMicro(rnd.Int64N(100))
			case 2:
				op = store.Op{Key: op.Key, Expect: op.Expect, Keep: true}
			}
			g = append(g, op)
		}
		batch = append(batch, g)
	}
	return batch
}

func fits(model map[string]store.Record, g store.Group) bool {
	for _, op := range g {
		if model[op.Key].Rev != op.Expect {
			return false
		}
	}
	return true
}

func compare(t *testing.T, s store.Store, model map[string]store.Record, rnd *rand.Rand) {
	t.Helper()
	var want []store.Record
	for _, k := range slices.Sorted(maps.Keys(model)) {
		want = append(want, model[k])
	}
	same(t, "all records", list(t, s, "", "", 100), want)
	until := time.UnixMicro(rnd.Int64N(100))
	limit := 1 + rnd.IntN(20)
	want = slices.DeleteFunc(want, func(r store.Record) bool { return r.Due.IsZero() || r.Due.After(until) })
	slices.SortStableFunc(want, func(a, b store.Record) int { return a.Due.Compare(b.Due) })
	due, err := s.Due(t.Context(), until, limit)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "due records", due, want[:min(limit, len(want))])
}
