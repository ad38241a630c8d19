// Package mem is a store that keeps its records in memory: for tests, and to try the library without a
// file. What it holds is gone when the process ends.
package mem

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/store"
)

// Store is a store.Store in memory.
type Store struct {
	hints store.Hints

	mu      sync.RWMutex
	closed  bool
	last    int64                   // the last revision given
	records map[string]store.Record // what there is
	keys    []string                // its keys, in order
	due     []due                   // those that have a due time, by it
	written []written               // in the order of the revisions; of the same key, the last one counts
}

// written says that a key was.
type written struct {
	rev int64
	key string
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{last: time.Now().UnixMicro(), records: make(map[string]store.Record)}
}

// Get returns the record under key, or store.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Record{}, err
	}
	r, ok := s.records[key]
	if !ok {
		return store.Record{}, store.ErrNotFound
	}
	return r, nil
}

// Apply does every group that it can, all or nothing each.
func (s *Store) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if err := store.Check(batch); err != nil {
		return nil, err
	}
	results, err := s.apply(ctx, batch)
	if err == nil {
		s.hints.Send(batch, results)
	}
	return results, err
}

func (s *Store) apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	results := make([]store.Result, len(batch))
	for i, g := range batch {
		results[i].Rev, results[i].Err = s.group(g)
	}
	return results, nil
}

func (s *Store) group(g store.Group) (int64, error) {
	rev := s.last + 1
	if rev > store.MaxRev {
		return 0, fmt.Errorf("%w: the sequence is at its end", store.ErrRevision)
	}
	for _, op := range g {
		if s.records[op.Key].Rev != op.Expect {
			return 0, store.ErrConflict
		}
	}
	s.last = rev
	for _, op := range g {
		if op.Keep {
			continue
		}
		if op.Delete {
			s.remove(op.Key)
			continue
		}
		r := store.Record{Key: op.Key, Rev: rev, Data: bytes.Clone(op.Data)}
		if !op.Due.IsZero() {
			r.Due = time.UnixMicro(op.Due.UnixMicro()).UTC()
		}
		s.put(r)
	}
	return rev, nil
}

func (s *Store) put(r store.Record) {
	if old, ok := s.records[r.Key]; !ok {
		i, _ := slices.BinarySearch(s.keys, r.Key)
		s.keys = slices.Insert(s.keys, i, r.Key)
	} else {
		s.forgetDue(old)
	}
	if !r.Due.IsZero() {
		i, _ := slices.BinarySearchFunc(s.due, due{r.Due, r.Key}, due.compare)
		s.due = slices.Insert(s.due, i, due{r.Due, r.Key})
	}
	s.records[r.Key] = r
	if len(s.written) > 2*len(s.records)+100 {
		s.written = slices.DeleteFunc(s.written, func(w written) bool { return s.records[w.key].Rev != w.rev })
	}
	s.written = append(s.written, written{r.Rev, r.Key})
}

func (s *Store) remove(key string) {
	r, ok := s.records[key]
	if !ok {
		return
	}
	s.forgetDue(r)
	i, _ := slices.BinarySearch(s.keys, key)
	s.keys = slices.Delete(s.keys, i, i+1)
	delete(s.records, key)
}

// due is when a record is.
type due struct {
	at  time.Time
	key string
}

func (d due) compare(e due) int { return cmp.Or(d.at.Compare(e.at), cmp.Compare(d.key, e.key)) }

func (s *Store) forgetDue(r store.Record) {
	if !r.Due.IsZero() {
		i, _ := slices.BinarySearchFunc(s.due, due{r.Due, r.Key}, due.compare)
		s.due = slices.Delete(s.due, i, i+1)
	}
}

// List returns records by key.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearch(s.keys, prefix)
	if after >= prefix {
		var found bool
		if i, found = slices.BinarySearch(s.keys, after); found {
			i++
		}
	}
	var list []store.Record
	for ; i < len(s.keys) && len(list) < limit && strings.HasPrefix(s.keys[i], prefix); i++ {
		list = append(list, s.records[s.keys[i]])
	}
	return list, nil
}

// Due returns records by due time.
func (s *Store) Due(ctx context.Context, t time.Time, limit int) ([]store.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var list []store.Record
	for _, d := range s.due {
		if len(list) >= limit || d.at.After(t) {
			break
		}
		list = append(list, s.records[d.key])
	}
	return list, nil
}

// Alone reports false: several may use one Store.
func (s *Store) Alone() bool { return false }

// Changes returns what was written after a revision.
func (s *Store) Changes(ctx context.Context, after int64, limit int, prefixes ...string) ([]store.Record, int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	if after < 0 {
		return nil, s.last, nil
	}
	var list []store.Record
	i, _ := slices.BinarySearchFunc(s.written, after+1, func(w written, rev int64) int { return cmp.Compare(w.rev, rev) })
	for _, w := range s.written[i:] {
		r := s.records[w.key]
		if r.Rev != w.rev || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(w.key, p) }) {
			continue
		}
		if n := len(list); n >= max(limit, 1) && list[n-1].Rev < r.Rev {
			return list, list[n-1].Rev, nil
		}
		list = append(list, r)
	}
	return list, s.last, nil
}

// Watch calls hint with every key that is written.
func (s *Store) Watch(ctx context.Context, hint func(key string)) error {
	return s.hints.Watch(ctx, hint)
}

// Raise makes every later revision greater than rev.
func (s *Store) Raise(ctx context.Context, rev int64) error {
	if rev >= store.MaxRev {
		return fmt.Errorf("%w: revision %d, below %d", store.ErrTooLarge, rev, int64(store.MaxRev))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.last = max(s.last, rev)
	return nil
}

// Now is the wall clock of this process.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return time.Now(), s.usable(ctx)
}

// Close forgets every record.
func (s *Store) Close() error {
	s.hints.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.records, s.keys, s.due = true, nil, nil, nil
	return nil
}

// usable is called with the lock held.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}
