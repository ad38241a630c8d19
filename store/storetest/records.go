package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

func testSwap(t *testing.T, e Engine) {
	s := opened(t, e)
	absent(t, s, "k")
	due := time.Date(2026, 11, 23, 14, 5, 0, 123456789, time.FixedZone("", 3600))
	first := swap(t, s, store.Op{Key: "k", Data: []byte("one"), Due: due})
	same(t, "after the insert", []store.Record{get(t, s, "k")},
		[]store.Record{{Key: "k", Rev: first, Due: due.Truncate(time.Microsecond), Data: []byte("one")}})

	refused(t, s, store.ErrConflict, store.Op{Key: "k", Data: []byte("two")})
	refused(t, s, store.ErrConflict, store.Op{Key: "k", Expect: first - 1, Data: []byte("two")})
	refused(t, s, store.ErrConflict, store.Op{Key: "k", Expect: first + 1, Data: []byte("two")})
	refused(t, s, store.ErrConflict, store.Op{Key: "k", Expect: store.MaxRev, Data: []byte("two")})
	refused(t, s, store.ErrConflict, store.Op{Key: "other", Expect: first, Data: []byte("two")})
	refused(t, s, store.ErrConflict, store.Op{Key: "k", Expect: first + 1, Delete: true})
	refused(t, s, store.ErrConflict, store.Op{Key: "other", Expect: first, Delete: true})
	absent(t, s, "other")
	if r := get(t, s, "k"); r.Rev != first || string(r.Data) != "one" {
		t.Fatalf("a refused swap changed the record: %+v", r)
	}

	second := swap(t, s, store.Op{Key: "k", Expect: first, Data: []byte("two")})
	if second <= first {
		t.Fatalf("revision %d after %d", second, first)
	}
	same(t, "after the update", []store.Record{get(t, s, "k")}, []store.Record{{Key: "k", Rev: second, Data: []byte("two")}})
	swap(t, s, store.Op{Key: "k", Expect: second, Delete: true})
	absent(t, s, "k")
	refused(t, s, store.ErrConflict, store.Op{Key: "k", Expect: second, Data: []byte("three")})
	if third := swap(t, s, store.Op{Key: "k"}); third <= second {
		t.Fatalf("revision %d after %d, of a record that was deleted between", third, second)
	}
}

// oddKeys are what a collation, a pattern or an escape could get wrong.
var oddKeys = []string{
	" ", "  ", "!", "%", "'", "\"", "*", "/", "0", "A", "B", "Z", "[", "\\", "_", "a", "a ", "a%", "a\x01", "a\t", "a!",
	"a/", "a//", "a/b", "a/b/c", "a/c", "a0", "aB", "ab", "a_", "a_c", "b", "ba", "z", "~", "\x01", "\x7f", "\u0080", "ß", "ss", "é", "e\u0301", "e", "f", "ÿ",
	"\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufeff", "\uffff", "\U00010000", "\U0010ffff", "\U0010ffffx", "日本", "日本語", "İ", "i", "I",
	strings.Repeat("k", store.MaxKey), strings.Repeat("k", store.MaxKey-1), strings.Repeat("\U0010ffff", store.MaxKey/4),
}

// Keys keep apart whatever differs in a byte, and are ordered by their bytes.
func testKeys(t *testing.T, e Engine) {
	s := opened(t, e)
	var batch []store.Group
	for _, k := range oddKeys {
		batch = append(batch, store.Group{{Key: k, Data: []byte(k)}})
	}
	for i, r := range apply(t, s, batch...) {
		if r.Err != nil {
			t.Fatalf("key %q: %v", oddKeys[i], r.Err)
		}
	}
	for _, k := range oddKeys {
		if r := get(t, s, k); r.Key != k || string(r.Data) != k {
			t.Errorf("under %q there is %+v", k, r)
		}
	}
	sorted := slices.Sorted(slices.Values(oddKeys))
	prefixes := []string{"", "\xff", "\xf4\x8f\xbf\xbf", "\xf4", "nothing"}
	for _, k := range oddKeys {
		for i := range min(len(k), 6) {
			prefixes = append(prefixes, k[:i+1]) // also through the middle of a character
		}
	}
	for _, prefix := range prefixes {
		for _, after := range []string{"", "a", "a/", "a/b", "b", "ÿ", "\xff", prefix} {
			var want []string
			for _, k := range sorted {
				if strings.HasPrefix(k, prefix) && k > after {
					want = append(want, k)
				}
			}
			if got := keys(list(t, s, prefix, after, 1000)); !slices.Equal(got, want) {
				t.Errorf("List(%q, %q):\n got %q\nwant %q", prefix, after, got, want)
			}
		}
	}
}

// Faults: A3
func testRefusedKeys(t *testing.T, e Engine) {
	s := opened(t, e)
	for _, bad := range []struct {
		key  string
		want error
	}{
		{"", store.ErrTooLarge},
		{strings.Repeat("k", store.MaxKey+1), store.ErrTooLarge},
		{"\xff", store.ErrInvalid},
		{"a\xc3", store.ErrInvalid},
		{"\xed\xa0\x80", store.ErrInvalid}, // a surrogate
		{"a\x00b", store.ErrInvalid},
		{"\x00", store.ErrInvalid},
	} {
		if _, err := s.Apply(t.Context(), []store.Group{{{Key: "good"}}, {{Key: bad.key}}}); !errors.Is(err, bad.want) {
			t.Errorf("Apply with key %q: %v, want %v", bad.key, err, bad.want)
		}
		if _, err := s.Get(t.Context(), bad.key); !errors.Is(err, bad.want) {
			t.Errorf("Get(%q): %v, want %v", bad.key, err, bad.want)
		}
	}
	if l := all(t, s); len(l) > 0 {
		t.Errorf("something was written: %+v", l)
	}
}

func testPaging(t *testing.T, e Engine) {
	s := opened(t, e)
	const n = 2500
	var batch []store.Group
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("p/%04d", i))
		batch = append(batch, store.Group{{Key: want[i], Data: []byte{byte(i)}, Due: time.UnixMicro(int64(i / 10))}})
	}
	slices.Reverse(batch)
	for part := range slices.Chunk(batch, store.MaxBatch) {
		apply(t, s, part...)
	}
	swap(t, s, store.Op{Key: "p"})
	swap(t, s, store.Op{Key: "p0"})
	for _, size := range []int{1, 7, 1000, n, n + 1} {
		var got []string
		after := ""
		for len(got) < n && (size > 1 || len(got) < 50) {
			page := list(t, s, "p/", after, size)
			if len(page) > size || len(page) < min(size, n-len(got)) {
				t.Fatalf("page of %d: %d records", size, len(page))
			}
			got = append(got, keys(page)...)
			after = got[len(got)-1]
		}
		if !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("pages of %d do not give the records in order, each once", size)
		}
	}
	for _, limit := range []int{0, -1} {
		if l := list(t, s, "", "", limit); len(l) > 0 {
			t.Errorf("List with limit %d gives %d records", limit, len(l))
		}
	}
	if l := list(t, s, "p/", want[n-1], 10); len(l) > 0 {
		t.Errorf("after the last key there is %+v", l)
	}
	due, err := s.Due(t.Context(), time.UnixMicro(n), 1005)
	if got := keys(due); err != nil || !slices.Equal(got, want[:1005]) {
		t.Errorf("Due gives %d records (%v), not the first 1005 in order", len(got), err)
	}
}

func testDue(t *testing.T, e Engine) {
	s := opened(t, e)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	due := func(until time.Time, limit int, want ...string) {
		t.Helper()
		l, err := s.Due(t.Context(), until, limit)
		if err != nil {
			t.Fatal(err)
		}
		if got := keys(l); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Fatalf("due at %v: %q, want %q", until, got, want)
		}
		for _, r := range l {
			same(t, "a due record", []store.Record{r}, []store.Record{get(t, s, r.Key)})
		}
	}
	due(at, 10)
	swap(t, s, store.Op{Key: "never", Data: []byte("x")})
	revs := map[string]int64{}
	for key, when := range map[string]time.Time{
		"long ago": time.Date(1931, 5, 1, 0, 0, 0, 1000, time.UTC), "z": at, "y": at, "soon": at.Add(time.Microsecond), "far": at.AddDate(200, 0, 0),
	} {
		revs[key] = swap(t, s, store.Op{Key: key, Due: when, Data: []byte(key)})
		if got := get(t, s, key).Due; !got.Equal(when) {
			t.Fatalf("due %v was kept as %v", when, got)
		}
	}
	due(at.Add(-time.Microsecond), 10, "long ago")
	due(at, 10, "long ago", "y", "z")
	due(at.Add(time.Microsecond-1), 10, "long ago", "y", "z")
	due(at.Add(time.Microsecond), 10, "long ago", "y", "z", "soon")
	due(at.AddDate(300, 0, 0), 10, "long ago", "y", "z", "soon", "far")
	due(at, 2, "long ago", "y")
	due(at, 0)
	due(at, -1)
	swap(t, s, store.Op{Key: "y", Expect: revs["y"], Due: at.Add(time.Hour)})     // later
	swap(t, s, store.Op{Key: "z", Expect: revs["z"]})                             // never any more
	swap(t, s, store.Op{Key: "long ago", Expect: revs["long ago"], Delete: true}) // gone
	swap(t, s, store.Op{Key: "far", Expect: revs["far"], Due: at.Add(-time.Hour)})
	due(at, 10, "far")
}

func testSizes(t *testing.T, e Engine) {
	s := opened(t, e)
	for _, n := range []int{0, 1, 255, 1000, 4096, 60000, store.MaxData - 1, store.MaxData} {
		key := fmt.Sprint("size ", n)
		data := bytes.Repeat([]byte{0, 0xff, 'x'}, n/3+1)[:n]
		rev := swap(t, s, store.Op{Key: key, Data: data})
		same(t, key, []store.Record{get(t, s, key)}, []store.Record{{Key: key, Rev: rev, Data: data}})
	}
	var largest store.Group
	for i := range store.MaxGroup {
		key := fmt.Sprintf("%0*d", store.MaxKey, i)
		largest = append(largest, store.Op{Key: key, Data: bytes.Repeat([]byte{byte(i)}, store.MaxData/8)})
	}
	rev := swap(t, s, largest...)
	for _, op := range largest {
		if r := get(t, s, op.Key); r.Rev != rev || !bytes.Equal(r.Data, op.Data) {
			t.Fatalf("the largest group lost something under %q", op.Key)
		}
	}
	var batch []store.Group
	for i := range store.MaxBatch {
		batch = append(batch, store.Group{{Key: fmt.Sprint("batch ", i)}})
	}
	last := rev
	for i, r := range apply(t, s, batch...) {
		if r.Err != nil || r.Rev <= last {
			t.Fatalf("group %d of the largest batch: %+v after revision %d", i, r, last)
		}
		last = r.Rev
	}
	if r := apply(t, s); len(r) != 0 {
		t.Fatalf("an empty batch gives %v", r)
	}
}

func testTooLarge(t *testing.T, e Engine) {
	s := opened(t, e)
	good := store.Group{{Key: "good"}}
	big := make(store.Group, store.MaxGroup+1)
	many := make([]store.Group, store.MaxBatch+1)
	for i := range big {
		big[i].Key = fmt.Sprint(i)
	}
	for i := range many {
		many[i] = store.Group{{Key: fmt.Sprint(i)}}
	}
	for name, bad := range map[string]struct {
		batch []store.Group
		want  error
	}{
		"data":               {[]store.Group{good, {{Key: "k", Data: make([]byte, store.MaxData+1)}}}, store.ErrTooLarge},
		"group":              {[]store.Group{good, big}, store.ErrTooLarge},
		"batch":              {many, store.ErrTooLarge},
		"empty group":        {[]store.Group{good, {}}, store.ErrInvalid},
		"key twice in group": {[]store.Group{good, {{Key: "k"}, {Key: "l"}, {Key: "k"}}}, store.ErrInvalid},
		"key twice in batch": {[]store.Group{good, {{Key: "k"}, {Key: "good"}}}, store.ErrInvalid},
		"kept, with data":    {[]store.Group{good, {{Key: "k", Keep: true, Data: []byte("d")}}}, store.ErrInvalid},
		"kept and deleted":   {[]store.Group{good, {{Key: "k", Keep: true, Delete: true}}}, store.ErrInvalid},
		"negative revision":  {[]store.Group{good, {{Key: "k", Expect: -1}}}, store.ErrInvalid},
	} {
		if results, err := s.Apply(t.Context(), bad.batch); !errors.Is(err, bad.want) || results != nil {
			t.Errorf("%s: %v, %v; want %v", name, results, err, bad.want)
		}
	}
	if l := all(t, s); len(l) > 0 {
		t.Errorf("something was written: %q", keys(l))
	}
}
