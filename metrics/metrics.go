// Package metrics counts what a Manager, its store and a server do, for Prometheus. docs/operations.md lists every metric.
//
//	counts, err := metrics.New(prometheus.DefaultRegisterer)
//	st = counts.Store(st)
//	m, err := editlock.Open(ctx, st, editlock.Config{Observer: counts.Observer()})
//	counts.Manager(m)
//	s, err := server.New(m, server.Options{Observer: &server.Observer{Request: counts.Request} /* and the keys */})
//	counts.Server(s)
//
// No metric has a label for a resource, a session or a user: every label has few values, and all of them are known. A process
// with several Managers gives each a Metrics of its own, registered with a label (prometheus.WrapRegistererWith).
package metrics

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
)

// Metrics are the counts of one Manager. Its methods may be called from several goroutines.
type Metrics struct {
	asks, releases, resumes, over, renewals     *prometheus.CounterVec
	grants, lapses, gaps, jumps, reborn, panics prometheus.Counter
	waits, holds, batch                         prometheus.Histogram
	calls, requests                             *prometheus.HistogramVec
	failures                                    *prometheus.CounterVec

	mu      sync.Mutex
	manager *editlock.Manager
	server  *server.Server
}

// Buckets, in seconds. People wait and edit for minutes; a store answers in milliseconds.
var (
	patience = []float64{1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}
	editing  = []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400}
	storing  = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	batches  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

// New makes the metrics and registers them. It fails if they are registered already.
func New(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		asks:     counters("acquires_total", "Acquires that were answered, by answer: all but granted and again met contention, or came late.", "outcome"),
		grants:   counter("grants_total", "Grants that were stored."),
		waits:    histogram("wait_seconds", "How long those who had to queue waited until they were granted, to the second.", patience),
		holds:    histogram("hold_seconds", "How long a holding lasted that has ended.", editing),
		releases: counters("releases_total", "Holdings that ended, by reason; expiries are those with reason expired.", "reason"),
		lapses:   counter("lapses_total", "Holders whose time was over: their lock stays theirs until somebody asks, or for 10 minutes."),
		resumes:  counters("resumes_total", "Attempts to come back to a session, by result.", "result"),
		over:     counters("sessions_over_total", "Sessions whose time was over, by cause: left (the page said so) or silent.", "cause"),
		renewals: counters("node_renewals_total", "Attempts of the node to renew its life in the store, by result.", "result"),
		gaps:     counter("node_gaps_total", "Outages after which every session got its time afresh."),
		jumps:    counter("clock_jumps_total", "Times that the clock of the store or of this machine was set. No lock depends on it."),
		reborn:   counter("node_replaced_total", "Times that the node was taken for dead and went on under a new id."),
		panics:   counter("panics_total", "Panics in the Manager that were contained. Each is a fault in editlock; the log has it."),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "store_duration_seconds", Help: "How long a call of the store took.", Buckets: storing,
		}, []string{"call"}),
		failures: counters("store_errors_total", "Calls of the store, or groups in them, that failed, by kind; conflict is usual now and then.", "call", "error"),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "request_duration_seconds", Help: "How long it took to answer a request that reached the Manager, by what was asked; waiting over HTTP is part of it.",
			Buckets: storing,
		}, []string{"request", "transport"}),
		batch: histogram("store_batch_groups", "Groups of records in a call that writes.", batches),
	}
	m.preset()
	for _, c := range []prometheus.Collector{
		m.asks, m.grants, m.waits, m.holds, m.releases, m.lapses, m.resumes, m.over, m.renewals, m.gaps, m.jumps, m.reborn, m.panics,
		m.calls, m.failures, m.batch, m.requests, (*moment)(m), build(),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const namespace = "editlock"

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

var (
	outcomes = []editlock.AskOutcome{
		editlock.AskGranted, editlock.AskQueued, editlock.AskLocked, editlock.AskQueueFull, editlock.AskAgain, editlock.AskLate,
	}
	reasons = []editlock.Reason{
		editlock.Released, editlock.Left, editlock.HandedOver, editlock.Idle, editlock.Expired, editlock.Unconfirmed,
		editlock.TakenOver, editlock.Forced, editlock.Revoked, editlock.LoggedOut,
	}
	results = []editlock.ResumeOutcome{
		editlock.ResumeDone, editlock.ResumeBegun, editlock.ResumeRefused, editlock.ResumeReused, editlock.ResumeFailed,
	}
)

// preset makes every series be there from the start, at 0: what never happened yet can then be told from what is not counted, and
// the first time is seen as a rise.
func (m *Metrics) preset() {
	for _, o := range outcomes {
		m.asks.WithLabelValues(string(o))
	}
	for _, r := range reasons {
		m.releases.WithLabelValues(string(r))
	}
	for _, r := range results {
		m.resumes.WithLabelValues(string(r))
	}
	for _, cause := range []string{"left", "silent"} {
		m.over.WithLabelValues(cause)
	}
	for _, r := range []string{"ok", "failed"} {
		m.renewals.WithLabelValues(r)
	}
	for _, call := range calls {
		m.calls.WithLabelValues(call)
		for _, f := range failures {
			m.failures.WithLabelValues(call, f.name)
		}
		m.failures.WithLabelValues(call, other)
	}
}

// Observer returns what a Manager tells of itself to be counted, for its Config.
func (m *Metrics) Observer() *editlock.Observer {
	// The label values are few: to look each up once saves a lookup in a map with a lock for each event.
	asks, releases, resumes := each(m.asks, outcomes), each(m.releases, reasons), each(m.resumes, results)
	left, silent := m.over.WithLabelValues("left"), m.over.WithLabelValues("silent")
	renewed, failed := m.renewals.WithLabelValues("ok"), m.renewals.WithLabelValues("failed")
	return &editlock.Observer{
		Asked: func(o editlock.AskOutcome) { inc(asks, o) },
		Granted: func(queued bool, waited time.Duration) {
			m.grants.Inc()
			if queued {
				m.waits.Observe(waited.Seconds())
			}
		},
		Ended: func(why editlock.Reason, held time.Duration) {
			inc(releases, why)
			m.holds.Observe(held.Seconds())
		},
		Lapsed:  m.lapses.Inc,
		Resumed: func(r editlock.ResumeOutcome) { inc(resumes, r) },
		SessionOver: func(said bool) {
			if said {
				left.Inc()
			} else {
				silent.Inc()
			}
		},
		Renewed: func(err error) {
			if err == nil {
				renewed.Inc()
			} else {
				failed.Inc()
			}
		},
		Gap:         func(time.Duration) { m.gaps.Inc() },
		ClockJumped: func(time.Duration) { m.jumps.Inc() },
		Reborn:      m.reborn.Inc,
		Panicked:    m.panics.Inc,
	}
}

func each[T ~string](vec *prometheus.CounterVec, values []T) map[T]prometheus.Counter {
	all := make(map[T]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(string(v))
	}
	return all
}

// inc counts what is one of the known values: a label that anything could be would be one too many.
func inc[T ~string](all map[T]prometheus.Counter, value T) {
	if c := all[value]; c != nil {
		c.Inc()
	}
}

// failures are the kinds of errors of a store, in the order in which they are looked for: one may be several.
var failures = []struct {
	name string
	err  error
}{
	{"conflict", store.ErrConflict}, {"unknown", store.ErrUnknown}, {"broken", store.ErrBroken}, {"unavailable", store.ErrUnavailable},
	{"revision", store.ErrRevision}, {"too_large", store.ErrTooLarge}, {"invalid", store.ErrInvalid}, {"closed", store.ErrClosed},
}

// other is what none of them is: a deadline, say.
const other = "other"

func kindOf(err error) string {
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return f.name
		}
	}
	return other
}
