package editlock_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/metrics"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/store/sqlite"
)

func onDisk(b *testing.B) store.Store {
	st, err := sqlite.Open(filepath.Join(b.TempDir(), "locks.db"), sqlite.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	return st
}

// BenchmarkAcquireRelease is a grant and a release, two durable changes with their history, by one caller and by
// many on resources of their own. The floor is the same two groups of records written without a lock, in the same run; counted is
// with the metrics.
func BenchmarkAcquireRelease(b *testing.B) {
	for _, c := range []struct {
		name string
		open func(*testing.B) store.Store
	}{{"sqlite", onDisk}, {"mem", func(*testing.B) store.Store { return mem.New() }}} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/floor/callers=%d", c.name, callers), func(b *testing.B) {
				w := store.NewWriter(c.open(b))
				defer w.Close()
				data := make([]byte, 180)
				var n atomic.Int64
				run(b, callers, func(id int) error {
					key, rev := fmt.Sprint("lock/", id, "/", n.Add(1)), int64(0)
					for i := range 2 {
						var err error
						rev, err = w.Write(b.Context(), store.Group{
							{Key: key, Expect: rev, Data: data, Due: time.Now().Add(time.Hour)},
							{Key: fmt.Sprint("history/", key, "#", i), Data: data, Due: time.Now().Add(time.Hour)},
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
			})
			b.Run(fmt.Sprintf("%s/editlock/callers=%d", c.name, callers), func(b *testing.B) {
				acquireAndRelease(b, callers, c.open(b), nil)
			})
			b.Run(fmt.Sprintf("%s/counted/callers=%d", c.name, callers), func(b *testing.B) {
				counts, err := metrics.New(prometheus.NewRegistry())
				if err != nil {
					b.Fatal(err)
				}
				acquireAndRelease(b, callers, counts.Store(c.open(b)), counts.Observer())
			})
		}
	}
}

func acquireAndRelease(b *testing.B, callers int, st store.Store, observer *editlock.Observer) {
	m, err := editlock.Open(b.Context(), st, editlock.Config{Logger: slog.New(slog.DiscardHandler), MaxSessions: 1000, Observer: observer})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	sessions := make([]editlock.Session, callers)
	for i := range sessions {
		if sessions[i], err = m.Session(b.Context(), editlock.User{ID: "1", Name: "Ana"}); err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	run(b, callers, func(id int) error {
		lock, err := sessions[id].Acquire(b.Context(), fmt.Sprint("article/", id, "/", n.Add(1)))
		if err != nil {
			return err
		}
		return lock.Release(b.Context())
	})
}

// run lets callers do f, b.N times in all.
func run(b *testing.B, callers int, f func(id int) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, callers)
	b.ResetTimer()
	for id := range callers {
		go func() {
			for left.Add(-1) >= 0 {
				if err := f(id); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
}
