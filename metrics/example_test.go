package metrics_test

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/metrics"
	"github.com/editlock/editlock/store/mem"
)

func Example() {
	counts, err := metrics.New(prometheus.DefaultRegisterer)
	if err != nil {
		panic(err)
	}
	m, err := editlock.Open(context.Background(), counts.Store(mem.New()), editlock.Config{Observer: counts.Observer()})
	if err != nil {
		panic(err)
	}
	defer m.Close()
	counts.Manager(m)
	http.Handle("GET /metrics", promhttp.Handler()) // on a listener that the public does not reach
}
