package clickhouse

import (
	"encoding/xml"
	"strings"
)

// moreConfig is a file in the engine's directory whose elements are added to its
// configuration, if it is there: a cluster to be part of, or limits of somebody's own.
const moreConfig = "engine.xml"

// engineConfig is the engine's server configuration: small enough to live beside the rest of
// the program, where the engine would by default take most of the machine's memory. Its log
// holds errors only, 2 MB at most. A part that cannot be read is an error, where the default is
// to put it aside and go on without its rows.
func engineConfig(log, more string) []byte {
	var path strings.Builder
	_ = xml.EscapeText(&path, []byte(log)) // a strings.Builder never fails
	return []byte(`<clickhouse>
	<logger><log>` + path.String() + `</log><size>1M</size><count>1</count></logger>
	<log-level>error</log-level>
	<max_server_memory_usage>1500000000</max_server_memory_usage>
	<mark_cache_size>67108864</mark_cache_size>
	<primary_index_cache_size>67108864</primary_index_cache_size>
	<query_condition_cache_size>16777216</query_condition_cache_size>
	<compiled_expression_cache_size>16777216</compiled_expression_cache_size>
	<max_thread_pool_size>1000</max_thread_pool_size>
	<max_thread_pool_free_size>50</max_thread_pool_free_size>
	<background_pool_size>2</background_pool_size>
	<background_schedule_pool_size>8</background_schedule_pool_size>
	<merge_tree>
		<max_suspicious_broken_parts>0</max_suspicious_broken_parts>
		<max_suspicious_broken_parts_bytes>0</max_suspicious_broken_parts_bytes>
		<number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
		<number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
		<number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
	</merge_tree>
` + more + `</clickhouse>
`)
}
