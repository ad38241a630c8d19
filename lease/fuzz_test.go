package lease

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FuzzDecode: no record, however damaged, is misread: it is refused, or is a state that holds every
// invariant and is written again as it was read.
//
// Faults: D16
func FuzzDecode(f *testing.F) {
	full := State{
		Holds: []Hold{
			{Part: "title", Session: "a", User: "u", Name: "Ana", Fence: 7, Since: epoch, Confirmed: true, Lapsed: true, Over: epoch, LapseRev: 9},
			{Part: "body", Session: "b", User: "v", Since: epoch, Ticket: 3},
		},
		Queue:  []Waiter{{Ticket: 2, Session: "c", Since: 1}, {Ticket: 4, Session: "d", Part: "title", Since: 2, Absent: true}},
		Ticket: 5, Version: "18", Freed: epoch,
	}
	data, err := Encode(full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, int64(10))
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"v":1}`, `{"v":2}`, `{"v":1,"x":{"y":[1,2]}}`, `{"v":1,"v":1}`,
		`{"v":1,"holds":[{"session":"a","user":"u","since":"2026-11-23T14:00:00Z","later":true}],"queue":[{"n":1,"s":"b","t":1,"later":[]}],"ticket":1}`,
		`{"v":1,"holds":[{"session":"a"},{"session":"b"}]}`, `{"v":1,"queue":[{"n":2,"s":"b"},{"n":1,"s":"c"}],"ticket":2}`,
		`{"v":1,"holds":[{"session":"a","fence":9007199254740992}]}`, "{\"v\":1,\"version\":\"\xff\"}",
	} {
		f.Add([]byte(s), int64(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, rev int64) {
		rev = max(1, rev&maxFence)
		s, err := Decode(data, rev, State{}, epoch)
		if err != nil {
			return
		}
		if err := Check(s); err != nil {
			t.Fatal(err)
		}
		again, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		read, err := Decode(again, rev, s, epoch.Add(time.Hour))
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if !same(s, read) {
			t.Fatalf("%s was read as %+v, and written again as %s", data, s, again)
		}
		if twice, err := Encode(read); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%s, then %s, %v", again, twice, err)
		}
		// The rules bear whatever can be read.
		know := func(string) Session { return Session{User: "u"} }
		for i := 0; ; i++ {
			next := Default().Next(read, know)
			if next.IsZero() || next.After(epoch) || i > 300 {
				break
			}
			if read, _ = Default().Step(read, Event{Kind: Look}, know, epoch); Check(read) != nil {
				t.Fatalf("a look at %s breaks it: %v", data, Check(read))
			}
			read = read.At(rev + int64(i) + 1)
		}
	})
}

// FuzzDecodeNode is FuzzDecode for the records of nodes.
func FuzzDecodeNode(f *testing.F) {
	f.Add([]byte(`{"v":1,"started":"2026-11-23T14:05:00Z","ended":7,"silences":{"b":{"life":5,"ms":8500,"changed":true,"marks":[{"r":3,"ms":0},{"r":9,"ms":4000}]}},"x":1}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := DecodeNode(data)
		if err != nil {
			return
		}
		again, err := EncodeNode(n)
		if err != nil {
			t.Fatal(err)
		}
		read, err := DecodeNode(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if twice, err := EncodeNode(read); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%s, then %s, %v", again, twice, err)
		}
		l := DefaultLiveness()
		for id, s := range n.Silences {
			l.Left(s, 5, l.TTL)
			l.Count(n.Silences, map[string]int64{id: s.Life}, maxFence, time.Second)
		}
	})
}

// FuzzDecodeChange is FuzzDecode for the entries of the history.
//
// Faults: D16
func FuzzDecodeChange(f *testing.F) {
	f.Add([]byte(`{"v":1,"at":"2026-11-23T14:05:00Z","granted":{"session":"a","user":"7","name":"Ana","since":"2026-11-23T14:05:00Z"}}`), int64(9))
	f.Add([]byte(`{"v":1,"at":"2026-11-23T14:05:00.5+01:00","ended":{"session":"a","user":"7","fence":5,"reason":"expired","over":"2026-11-23T14:00:00Z"}}`), int64(9))
	f.Add([]byte(`{"v":1,"v":1}`), int64(1))
	f.Fuzz(func(t *testing.T, data []byte, rev int64) {
		rev = max(1, rev&maxFence)
		c, err := DecodeChange(data, rev)
		if err != nil {
			return
		}
		if c.Granted != nil && c.Granted.Fence == 0 {
			t.Fatalf("a grant without a fence from %s", data)
		}
		again, err := EncodeChange(c)
		if err != nil {
			t.Fatalf("%s can be read, and not written: %v", data, err)
		}
		read, err := DecodeChange(again, rev)
		if err != nil {
			t.Fatalf("%s, written as %s: %v", data, again, err)
		}
		if twice, err := EncodeChange(read); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%s, then %s, %v", again, twice, err)
		}
	})
}

// FuzzNames: a name of a resource, a part or a prefix is refused in words, or has one canonical form, which is its own; all
// ways to write it lead there.
//
// Faults: A3
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"article/42", "article/", "", "/", "cafe\u0301", "a//b", "..", "a/../b", "\u202e", "\u212a\u0327", "a\u0315\u0300", "title", "a b", "a ",
		"\x00", "*", "a/**", "\xff", "\ue000", "\u1100\u1161\u11a8", "\U0001f3f4\U000e0067", strings.Repeat("x", 513), strings.Repeat("\ufb2c", 200),
	} {
		f.Add(s)
	}
	f.Add("a" + strings.Repeat("\u0301", 40)) // more marks in a row than the stream-safe form lets stand
	f.Fuzz(func(t *testing.T, in string) {
		resource := parsed(t, ParseResource, in, MaxResource)
		part := parsed(t, ParsePart, in, MaxPart)
		prefix := parsed(t, ParsePrefix, in, MaxResource+1)
		if part != "" && part != resource {
			t.Fatalf("%q is the part %q and the resource %q", in, part, resource)
		}
		if resource != "" && prefix != "" {
			t.Fatalf("%q is a resource and a prefix", in)
		}
		if resource != "" {
			if got, err := ParsePrefix(in + "/"); err != nil || got != resource+"/" {
				t.Fatalf("as a prefix: %q, %v", got, err)
			}
			for segment := range strings.SplitSeq(resource, "/") { // what is below a segment can be selected by it
				if got, err := ParseResource(segment); err != nil || got != segment {
					t.Fatalf("the segment %q of %q: %q, %v", segment, resource, got, err)
				}
			}
		}
	})
}

// parsed is the canonical form, or empty if the name is refused.
func parsed(t *testing.T, parse func(string) (string, error), in string, limit int) string {
	name, err := parse(in)
	if err != nil {
		if !errors.Is(err, ErrBadResource) || name != "" || len(err.Error()) <= len(ErrBadResource.Error())+2 || len(err.Error()) > 6*limit+200 || !utf8.ValidString(err.Error()) {
			t.Fatalf("%q, refused by %q", name, err)
		}
		return ""
	}
	if len(name) > limit || !utf8.ValidString(name) || strings.ContainsAny(name, "*?#\\\x00\n\u202e\u200b") {
		t.Fatalf("accepted %q", name)
	}
	for _, way := range []string{name, norm.NFD.String(name), norm.NFC.String(in)} {
		if again, err := parse(way); len(way) <= limit && (err != nil || again != name) {
			t.Fatalf("%q is canonical, and %q became %q, %v", name, way, again, err)
		}
	}
	return name
}
