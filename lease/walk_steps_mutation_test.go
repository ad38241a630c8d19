//go:build mutation

package lease

// stepsByDefault is short where the rules are broken some hundred times in a row: see scripts/mutate.
const stepsByDefault = 88_000
