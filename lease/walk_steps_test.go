//go:build !mutation

package lease

// stepsByDefault is how far the walk goes.
const stepsByDefault = 1_100_000
