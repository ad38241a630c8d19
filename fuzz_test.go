package editlock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// FuzzDecodeSession: no record of a session, however damaged, is misread.
//
// Faults: D16
func FuzzDecodeSession(f *testing.F) {
	f.Add([]byte(`{"v":1,"node":"n","epoch":3,"nonce":"x","user":"7","name":"Ana","bye":true}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"epoch":9007199254740993,"user":"\u0000"}`))
	f.Add([]byte(`{"v":1,"v":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSession(store.Record{Key: sessionKey + "a", Data: data, Rev: 7})
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatalf("%v, and yet %+v", err, s)
			}
			return
		}
		again := s.encode()
		read, err := decodeSession(store.Record{Key: sessionKey + "a", Data: again, Rev: 7})
		if err != nil {
			t.Fatalf("%s, written as %s: %v", data, again, err)
		}
		if twice := read.encode(); string(twice) != string(again) || read.user != s.user || read.epoch != s.epoch || read.pulse.Left != s.pulse.Left {
			t.Fatalf("%s, then %s", again, twice)
		}
	})
}

// FuzzCursor: whatever cursor, prefix, name and limit somebody sends, a list and a history are of what was asked for, in order, go on where they
// ended, and come to an end.
//
// Faults: A3, A11
func FuzzCursor(f *testing.F) {
	f.Add("article/1", "article/", "", 1)
	f.Add("article/1", "", "article/1", 2)
	f.Add("article/10", "article/", "../../x", 3)
	f.Add("article/1", "draft/", "#\xff", 100)
	f.Add("article/1#0000", "a", "\x00", -1)
	f.Add("article/1", "article/", strings.Repeat("z", 5000), 1<<30)
	f.Fuzz(func(t *testing.T, name, prefix, cursor string, limit int) {
		synctest.Test(t, func(t *testing.T) {
			m, err := Open(t.Context(), mem.New(), Config{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s, err := m.Session(t.Context(), User{ID: "7"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, held := range []string{"article/1", "article/10", "article/2", "draft/1", "\u00e4"} {
				if _, err := s.Acquire(t.Context(), held); err != nil {
					t.Fatal(err)
				}
			}
			limit = max(-1, min(limit, 1000))
			pages(t, limit, cursor, func(cursor string) (keys []string, next string, err error) {
				list, next, err := m.List(t.Context(), prefix, cursor, limit, nil)
				for _, s := range list {
					if p, err := lease.ParsePrefix(prefix); err != nil || !strings.HasPrefix(s.Resource, p) {
						t.Fatalf("%q is listed under %q", s.Resource, prefix)
					}
					keys = append(keys, s.Resource)
				}
				return keys, next, err
			})
			pages(t, limit, cursor, func(cursor string) (keys []string, next string, err error) {
				list, next, err := m.History(t.Context(), name, cursor, limit)
				for _, e := range list {
					if e.Granted == nil || e.Granted.Fence != e.Revision {
						t.Fatalf("the history of %q has %+v", name, e)
					}
					keys = append(keys, fmt.Sprintf("%020d", e.Revision))
				}
				if len(keys) == 0 {
					next = ""
				}
				return keys, next, err
			})
		})
	})
}

// pages reads a list to its end.
func pages(t *testing.T, limit int, cursor string, read func(cursor string) ([]string, string, error)) {
	last := ""
	for n := 0; ; n++ {
		if n > 10 {
			t.Fatalf("no end after %d pages from %q", n, cursor)
		}
		keys, next, err := read(cursor)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) < 10 || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
				t.Fatalf("refused by %q", err)
			}
			return
		}
		if limit > 0 && len(keys) > limit || len(keys) > 5 {
			t.Fatalf("%d answers; %d were asked for", len(keys), limit)
		}
		for _, k := range keys {
			if k <= last {
				t.Fatalf("%q after %q", k, last)
			}
			last = k
		}
		if next == "" || next == cursor {
			return
		}
		cursor = next
	}
}
