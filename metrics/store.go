package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock/store"
)

// The calls of a store that are measured. Watch goes on for as long as it is wanted.
const (
	get = iota
	apply
	list
	due
	raise
	now
)

var calls = []string{get: "get", apply: "apply", list: "list", due: "due", raise: "raise", now: "now"}

// Store returns st, with its calls measured.
func (m *Metrics) Store(st store.Store) store.Store {
	s := &measured{Store: st, m: m}
	for _, name := range calls {
		s.took = append(s.took, m.calls.WithLabelValues(name))
	}
	return s
}

type measured struct {
	store.Store
	m    *Metrics
	took []prometheus.Observer
}

// end counts a call that began at began. That there is no record is an answer like another, and so is that nobody waits for it any more.
func (s *measured) end(call int, began time.Time, err error) {
	s.took[call].Observe(time.Since(began).Seconds())
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, context.Canceled) {
		s.m.failures.WithLabelValues(calls[call], kindOf(err)).Inc()
	}
}

func (s *measured) Get(ctx context.Context, key string) (rec store.Record, err error) {
	defer func(began time.Time) { s.end(get, began, err) }(time.Now())
	return s.Store.Get(ctx, key)
}

func (s *measured) Apply(ctx context.Context, batch []store.Group) (results []store.Result, err error) {
	s.m.batch.Observe(float64(len(batch)))
	began := time.Now()
	results, err = s.Store.Apply(ctx, batch)
	s.end(apply, began, err)
	for _, r := range results {
		if r.Err != nil {
			s.m.failures.WithLabelValues(calls[apply], kindOf(r.Err)).Inc()
		}
	}
	return results, err
}

func (s *measured) List(ctx context.Context, prefix, after string, limit int) (recs []store.Record, err error) {
	defer func(began time.Time) { s.end(list, began, err) }(time.Now())
	return s.Store.List(ctx, prefix, after, limit)
}

func (s *measured) Due(ctx context.Context, t time.Time, limit int) (recs []store.Record, err error) {
	defer func(began time.Time) { s.end(due, began, err) }(time.Now())
	return s.Store.Due(ctx, t, limit)
}

func (s *measured) Raise(ctx context.Context, rev int64) (err error) {
	defer func(began time.Time) { s.end(raise, began, err) }(time.Now())
	return s.Store.Raise(ctx, rev)
}

func (s *measured) Now(ctx context.Context) (t time.Time, err error) {
	defer func(began time.Time) { s.end(now, began, err) }(time.Now())
	return s.Store.Now(ctx)
}
