package metrics

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// Server makes the metrics show what s counts: connections, messages, errors. Until then they are not there.
func (m *Metrics) Server(s *server.Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.server = s
}

// Request is the function of that name of a [server.Observer]: it measures how long requests take.
func (m *Metrics) Request(ctx context.Context, r server.Request) (context.Context, func(wire.Code)) {
	began := time.Now()
	return ctx, func(wire.Code) {
		m.requests.WithLabelValues(r.Kind, r.Transport).Observe(time.Since(began).Seconds())
	}
}

// What is looked up at each scrape.
var (
	connections = describe("connections", "Connections that are open, by transport.", "transport")
	programs    = describe("programs", "Sessions of programs that come by requests over HTTP.")
	waits       = describe("program_waits", "Requests of programs that wait for a lock; there may be --max-waits of them.")
	received    = describe("messages_received_total", "Messages that came over connections.")
	sent        = describe("messages_sent_total", "Messages that were sent over connections.")
	failed      = describe("errors_total", "Errors that were sent over connections, by code.", "code")
	refused     = describe("http_refused_total", "Requests over HTTP that were refused, handshakes of connections among them, by code.", "code")
	closed      = describe("connections_closed_total", "Connections that the server closed, by close code; 4100 are those that read too slowly.", "code")
	broken      = describe("connection_panics_total", "Panics that ended a connection or a request. Each is a fault in editlock; the log has it.")
)

var ofServer = []*prometheus.Desc{connections, programs, waits, received, sent, failed, refused, closed, broken}

func collectServer(s *server.Server, out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	st := s.Stats()
	for transport, n := range st.Transports {
		out <- prometheus.MustNewConstMetric(connections, prometheus.GaugeValue, float64(n), transport)
	}
	out <- prometheus.MustNewConstMetric(programs, prometheus.GaugeValue, float64(st.Programs))
	out <- prometheus.MustNewConstMetric(waits, prometheus.GaugeValue, float64(st.Waits))
	counter(received, st.Received)
	counter(sent, st.Sent)
	counter(broken, st.Panics)
	for code, n := range st.Errors {
		counter(failed, n, string(code))
	}
	for code, n := range st.Refused {
		counter(refused, n, string(code))
	}
	for code, n := range st.Closed {
		counter(closed, n, strconv.Itoa(int(code)))
	}
}
