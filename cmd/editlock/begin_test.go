package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// hanging is a store that answers nothing before a moment.
type hanging struct {
	store.Store
	until time.Time
	err   error
}

func (h hanging) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if time.Now().Before(h.until) {
		<-time.After(store.Timeout)
		return nil, h.err
	}
	return h.Store.List(ctx, prefix, after, limit)
}

// A start waits for a store that does not answer for a while, not for one that is broken, and not for ever.
func TestStartWaitsForItsStore(t *testing.T) {
	start := func(t *testing.T, away time.Duration, why error) (*editlock.Manager, time.Duration, error) {
		began := time.Now()
		m, err := begin(t.Context(), hanging{mem.New(), began.Add(away), why}, editlock.Config{Logger: slog.New(slog.DiscardHandler)})
		return m, time.Since(began), err
	}
	synctest.Test(t, func(t *testing.T) {
		m, took, err := start(t, 20*time.Second, store.ErrUnavailable)
		if err != nil || took > 25*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if _, took, err := start(t, time.Hour, store.ErrUnavailable); !errors.Is(err, editlock.ErrUnavailable) || took < startPatience || took > startPatience+5*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		if _, took, err := start(t, time.Hour, store.ErrBroken); !errors.Is(err, store.ErrBroken) || took > 5*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
	})
}
