package metrics

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock"
)

// Manager makes the metrics show what m has at the moment of a scrape: sessions, holders and queues. Until then they are not there.
func (m *Metrics) Manager(of *editlock.Manager) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manager = of
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// What is looked up at each scrape.
var (
	sessions  = describe("sessions", "Sessions that are here or may come back.")
	connected = describe("sessions_connected", "Sessions with a connection, or in this process.")
	locks     = describe("locks", "Resources with a holder: held, or lapsed (the holder's time is over and nobody has asked).", "state")
	waiting   = describe("waiting", "Places in all queues.")
	longest   = describe("queue_longest", "Places in the longest queue.")
	vouches   = describe("node_vouches", "1 while the node may acknowledge: it proved itself alive in the store within 10 s.")
	draining  = describe("node_draining", "1 while the node is about to stop and takes nobody in.")
)

// moment is the Metrics as a collector of those.
type moment Metrics

// Describe implements prometheus.Collector.
func (*moment) Describe(out chan<- *prometheus.Desc) {
	for _, d := range append(ofServer, sessions, connected, locks, waiting, longest, vouches, draining) {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *moment) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	manager, server := m.manager, m.server
	m.mu.Unlock()
	if server != nil {
		collectServer(server, out)
	}
	if manager == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := manager.Stats()
	gauge(sessions, s.Sessions)
	gauge(connected, s.Connected)
	gauge(locks, s.Held, "held")
	gauge(locks, s.Lapsed, "lapsed")
	gauge(waiting, s.Waiting)
	gauge(longest, s.LongestQueue)
	gauge(vouches, bit(s.Vouches))
	gauge(draining, bit(s.Draining))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// build tells which version runs.
func build() prometheus.Collector {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, mod := range append(info.Deps, &info.Main) { // a program that embeds editlock has it among its modules
			if mod.Path == module {
				version = mod.Version
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && info.Main.Path == module {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; its labels say which version runs.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

const module = "github.com/editlock/editlock"
