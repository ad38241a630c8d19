package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// open starts a Manager on st, inside a bubble of virtual time.
func open(t *testing.T, st store.Store, cfg editlock.Config) *editlock.Manager {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	m, err := editlock.Open(t.Context(), st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func session(t *testing.T, m *editlock.Manager, id, name string) editlock.Session {
	t.Helper()
	s, err := m.Session(t.Context(), editlock.User{ID: id, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOneHoldsTheOtherWaitsAndIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana, ben := session(t, m, "1", "Ana"), session(t, m, "2", "Ben")
		a, err := ana.Acquire(t.Context(), "article/42")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ben.Try(t.Context(), "article/42"); !errors.Is(err, editlock.ErrLocked) {
			t.Fatalf("Ben tries: %v", err)
		}
		got := make(chan editlock.Lock)
		go func() {
			b, err := ben.Acquire(t.Context(), "article/42")
			if err != nil {
				t.Error(err)
			}
			got <- b
		}()
		settle()
		select {
		case <-got:
			t.Fatal("two hold")
		default:
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := <-got
		if b.Fence() <= a.Fence() {
			t.Fatalf("fence %d after %d", b.Fence(), a.Fence())
		}
		if a.Context().Err() == nil {
			t.Error("Ana still believes")
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Check(t.Context(), "article/42", "nobody", b.Fence()); !errors.Is(err, editlock.ErrLocked) {
			t.Fatal(err)
		}
		if err := ben.Close(); err != nil {
			t.Fatal(err)
		}
		entries, _, err := m.History(t.Context(), "article/42", "", 100)
		if err != nil || len(entries) != 3 {
			t.Fatal(entries, err)
		}
		if entries[1].Ended.Reason != editlock.Released || entries[1].Granted.Name != "Ben" || entries[2].Ended.Reason != editlock.Left {
			t.Fatalf("%+v", entries)
		}
	})
}

func TestAcquireIsGivenUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		ana, ben, cleo := session(t, m, "1", "Ana"), session(t, m, "2", "Ben"), session(t, m, "3", "Cleo")
		a, err := ana.Acquire(t.Context(), "article/42")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := ben.Acquire(ctx, "article/42"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		settle()
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := cleo.Try(t.Context(), "article/42"); err != nil {
			t.Fatal(err)
		}
	})
}

// As many as may be held may be asked for at once.
func TestAsManyAtOnceAsMayBeHeld(t *testing.T) {
	m := open(t, mem.New(), editlock.Config{MaxLocks: 50})
	s := session(t, m, "1", "Ana")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := s.Try(t.Context(), fmt.Sprint("article/", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := s.Try(t.Context(), "article/50"); !errors.Is(err, editlock.ErrTooManyLocks) {
		t.Errorf("one more: %v", err)
	}
}
