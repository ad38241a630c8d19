package lease

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

func TestHistoryEntry(t *testing.T) {
	b := newBench(t, "a", "b")
	b.do(Event{Kind: Acquire, Session: "a"})
	b.do(Event{Kind: Acquire, Session: "b"})
	b.do(Event{Kind: Release, Session: "a", Fence: b.s.Holds[0].Fence})
	data, err := EncodeChange(*b.out.Change)
	if err != nil {
		t.Fatal(err)
	}
	c, err := DecodeChange(data, b.rev)
	if err != nil {
		t.Fatal(err)
	}
	want := *b.out.Change
	want.V = Version
	granted := *want.Granted
	granted.Fence = b.rev
	want.Granted = &granted
	if !reflect.DeepEqual(c, want) || c.Granted.Fence != b.s.Holds[0].Fence {
		t.Errorf("read back %s as %+v, want %+v", data, c, want)
	}
	if _, err := DecodeChange([]byte("{"), 1); err == nil {
		t.Error("a damaged entry is taken")
	}
}

func TestNames(t *testing.T) {
	s := State{Holds: []Hold{{Session: "a"}, {Session: "b", Part: "x"}}, Queue: []Waiter{{Session: "c"}, {Session: "a", Part: "y"}}}
	if got := slices.Collect(s.Names); !slices.Equal(got, []string{"a", "b", "c", "a"}) {
		t.Errorf("got %v", got)
	}
	for stop := range 4 {
		n := 0
		for range s.Names {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("went on after %d", n)
		}
	}
	names := map[string]bool{}
	for k := range kinds {
		names[k.String()] = true
	}
	if len(names) != int(kinds) || Look.String() != "look" || Force.String() != "force" || kinds.String() != "kind 10" || Kind(99).String() != "kind 99" || Kind(-1).String() != "kind -1" {
		t.Errorf("kinds are named %v", slices.Sorted(maps.Keys(names)))
	}
}
