// Command embed shows editlock inside a Go program: two workers and one record. Run it with
//
//	go run ./examples/embed
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/sqlite"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "editlock")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := sqlite.Open(filepath.Join(dir, "locks.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	m, err := editlock.Open(ctx, st, editlock.Config{})
	if err != nil {
		return err
	}
	defer m.Close()

	var workers sync.WaitGroup
	for _, name := range []string{"import", "review"} {
		workers.Go(func() {
			if err := work(ctx, m, name); err != nil {
				log.Print(name, ": ", err)
			}
		})
	}
	workers.Wait()

	entries, _, err := m.History(ctx, "article/42", "", 100)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Ended != nil { // in one entry with the grant, where it made room for it
			fmt.Println("history:", e.Ended.Name, e.Ended.Reason)
		}
		if e.Granted != nil {
			fmt.Println("history: granted to", e.Granted.Name)
		}
	}
	return nil
}

// work edits the record three times, each time while it holds the lock.
func work(ctx context.Context, m *editlock.Manager, name string) error {
	s, err := m.Session(ctx, editlock.User{ID: name, Name: name})
	if err != nil {
		return err
	}
	defer s.Close()
	for range 3 {
		lock, err := s.Acquire(ctx, "article/42") // waits its turn
		if err != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond): // the work: it raises the row to lock.Fence() before it reads, and its writes compare it (see package guard)
			fmt.Printf("%s wrote with fence %d\n", name, lock.Fence())
		case <-lock.Context().Done(): // it can no longer be trusted: write nothing
			fmt.Println(name, "stopped:", context.Cause(lock.Context()))
		}
		if err := lock.Release(ctx); err != nil {
			return err
		}
	}
	return nil
}
