package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"assay/graphql/analytics"
	"assay/graphql/subgraph"
	"assay/indexer/sink"
	"assay/internal/clickhouse"
	"assay/internal/kafka"
	"assay/schema"
	"assay/schema/assaypb"
	"assay/schema/chains"
	migrations "assay/schema/clickhouse"
)

// permissions is a day on the marketplace of permissions: Ada protects her address and
// lends it, Ben rents it and uses it, Cleo subscribes.
func permissions() []*assaypb.Event {
	ada, ben, cleo := common.Address{0xa}.Bytes(), common.Address{0xb}.Bytes(), common.Address{0xc}.Bytes()
	data, app, list, sharing := common.Address{1}.Bytes(), common.Address{2}.Bytes(), common.Address{3}.Bytes(), common.Address{4}.Bytes()
	nobody, one := make([]byte, 20), []byte{1}
	bodies := []*assaypb.Event{
		{Body: &assaypb.Event_ResourceTransfer{ResourceTransfer: &assaypb.ResourceTransfer{Kind: assaypb.ResourceKind_RESOURCE_KIND_APP, From: nobody, To: ben, Resource: app, Body: &assaypb.Resource{Name: "mailer", Checksum: make([]byte, 32)}}}},
		{Body: &assaypb.Event_ResourceTransfer{ResourceTransfer: &assaypb.ResourceTransfer{Kind: assaypb.ResourceKind_RESOURCE_KIND_DATASET, From: nobody, To: ada, Resource: data, Body: &assaypb.Resource{Name: "my address", Multiaddr: []byte("/ipfs/x"), Checksum: make([]byte, 32)}}}},
		{Body: &assaypb.Event_DatasetSchema{DatasetSchema: &assaypb.DatasetSchema{Dataset: data, Schema: `{"email":"string"}`}}},
		{Body: &assaypb.Event_WhitelistTransfer{WhitelistTransfer: &assaypb.WhitelistTransfer{From: nobody, To: ada, Whitelist: list}}},
		{Body: &assaypb.Event_NewAppAddedToAddOnlyAppWhitelist{NewAppAddedToAddOnlyAppWhitelist: &assaypb.NewAppAddedToAddOnlyAppWhitelist{Whitelist: list, App: app}}},
		{Body: &assaypb.Event_CollectionTransfer{CollectionTransfer: &assaypb.CollectionTransfer{From: nobody, To: ada, Collection: one}}},
		{Body: &assaypb.Event_ResourceTransfer{ResourceTransfer: &assaypb.ResourceTransfer{Kind: assaypb.ResourceKind_RESOURCE_KIND_DATASET, From: ada, To: sharing, Resource: data}}},
		{Body: &assaypb.Event_ProtectedDataTransfer{ProtectedDataTransfer: &assaypb.ProtectedDataTransfer{ProtectedData: data, NewCollection: one, AppWhitelist: list}}},
		{Body: &assaypb.Event_ProtectedDataAddedForRenting{ProtectedDataAddedForRenting: &assaypb.ProtectedDataAddedForRenting{Collection: one, ProtectedData: data, Price: []byte{5}, Duration: 86400}}},
		{Body: &assaypb.Event_NewRental{NewRental: &assaypb.NewRental{Collection: one, ProtectedData: data, Renter: ben, EndDate: 1_700_086_400}}},
		{Body: &assaypb.Event_ProtectedDataConsumed{ProtectedDataConsumed: &assaypb.ProtectedDataConsumed{Deal: common.Hash{7}.Bytes(), ProtectedData: data, Mode: 1}}},
		{Body: &assaypb.Event_NewSubscriptionParams{NewSubscriptionParams: &assaypb.NewSubscriptionParams{Collection: one, Price: []byte{9}, Duration: 60}}},
		{Body: &assaypb.Event_ProtectedDataAddedForSubscription{ProtectedDataAddedForSubscription: &assaypb.ProtectedDataAddedForSubscription{Collection: one, ProtectedData: data}}},
		{Body: &assaypb.Event_NewSubscription{NewSubscription: &assaypb.NewSubscription{Collection: one, Subscriber: cleo, EndDate: 1_700_000_060}}},
	}
	for i, event := range bodies {
		event.LogIndex, event.TxHash, event.Emitter = uint32(i), common.Hash{31: byte(i)}.Bytes(), nobody
	}
	return bodies
}

// TestDataProtector: what the marketplace's contracts emit on Arbitrum One is answered at
// the address of the official DataProtector subgraph, to documents of its SDK and dApps.
func TestDataProtector(t *testing.T) {
	engine, err := clickhouse.StartEngine(t.Context(), t.TempDir())
	if errors.Is(err, clickhouse.ErrNoLibrary) {
		t.Skip("the ClickHouse engine is not installed: run `make deps`")
	}
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	config := engine.Config("sharing")
	must(t, clickhouse.Migrate(t.Context(), config, migrations.Migrations))
	api := servePermissions(t, config)
	for document, want := range map[string]string{
		`query($schema:[String!],$start:BigInt){protectedDatas(where:{and:[{schema_contains:$schema},{creationTimestamp_gte:$start}]},orderBy:creationTimestamp,orderDirection:desc){id name owner{id} schema{id} collection{id owner{id}} isRentable isIncludedInSubscription isForSale rentalParams{price duration}}}`: `{"protectedDatas":[{"id":"0x0100000000000000000000000000000000000000","name":"my address","owner":{"id":"0x0400000000000000000000000000000000000000"},"schema":[{"id":"email:string"}],"collection":{"id":"1","owner":{"id":"0x0a00000000000000000000000000000000000000"}},"isRentable":true,"isIncludedInSubscription":true,"isForSale":false,"rentalParams":{"price":"5","duration":"86400"}}]}`,
		`{protectedData(id:"0x0100000000000000000000000000000000000000"){rentals{renter endDate collection{id}} consumptions{mode dealId} sales{id}}}`:                                                                                                                                                                   `{"protectedData":{"rentals":[{"renter":"0x0b00000000000000000000000000000000000000","endDate":"1700086400","collection":{"id":"1"}}],"consumptions":[{"mode":"RENTING","dealId":"0x0700000000000000000000000000000000000000000000000000000000000000"}],"sales":[]}}`,
		`{accounts(where:{collections_:{id_not:null}}){id collections{subscriptionParams{price duration} subscriptions{subscriber{id}} protectedDatas{name}}}}`:                                                                                                                                                          `{"accounts":[{"id":"0x0a00000000000000000000000000000000000000","collections":[{"subscriptionParams":{"price":"9","duration":"60"},"subscriptions":[{"subscriber":{"id":"0x0c00000000000000000000000000000000000000"}}],"protectedDatas":[{"name":"my address"}]}]}]}`,
		`{collectionSubscriptions(where:{subscriber_:{id:"0x0c00000000000000000000000000000000000000"},endDate_gte:1700000000}){endDate} apps{id owner{id} addOnlyAppWhitelists{id owner{id} apps{id}}} _meta{deployment hasIndexingErrors block{number}}}`:                                                              `{"collectionSubscriptions":[{"endDate":"1700000060"}],"apps":[{"id":"0x0200000000000000000000000000000000000000","owner":{"id":"0x0b00000000000000000000000000000000000000"},"addOnlyAppWhitelists":[{"id":"0x0300000000000000000000000000000000000000","owner":{"id":"0x0a00000000000000000000000000000000000000"},"apps":[{"id":"0x0200000000000000000000000000000000000000"}]}]}],"_meta":{"deployment":"Ep5zs5zVr4tDiVuQJepUu51e5eWYJpka624X4DMBxe3u","hasIndexingErrors":false,"block":{"number":363900000}}}`,
	} {
		got := ask(t, api+"/api/subgraphs/id/Ep5zs5zVr4tDiVuQJepUu51e5eWYJpka624X4DMBxe3u", document, map[string]any{"schema": []string{"email:string"}, "start": 1_600_000_000})
		if got != `{"data":`+want+`}` {
			t.Errorf("%s\nanswers %s\nwant    %s", document, got, want)
		}
	}
}

// servePermissions writes the day into a chain log, lets the sink fold it, and serves.
func servePermissions(t *testing.T, config clickhouse.Config) string {
	t.Helper()
	presets, err := chains.All()
	must(t, err)
	preset := presets[0]
	if preset.Name != "arbitrum-one" {
		t.Fatalf("the first preset is %s", preset.Name)
	}
	broker, err := kafka.StartBroker(t.TempDir(), 0)
	must(t, err)
	t.Cleanup(func() { must(t, broker.Close()) })
	client, topics := kafka.NewClient([]string{broker.Addr()}), schema.TopicsOf(preset.Name)
	t.Cleanup(func() { must(t, client.Close()) })
	for _, topic := range []string{topics.Log, topics.Decisions} {
		must(t, client.CreateTopic(t.Context(), topic, 1, schema.MaxRecordBytes))
	}
	hash := common.Hash{1}.Bytes()
	for i, record := range []*assaypb.ChainRecord{
		{Body: &assaypb.ChainRecord_Block{Block: &assaypb.Block{Number: 363_900_000, Hash: hash, ParentHash: make([]byte, 32), Time: 1_700_000_000, Events: permissions()}}},
		{Body: &assaypb.ChainRecord_Mark{Mark: &assaypb.Mark{HeadNumber: 363_900_000, HeadHash: hash, HeadTime: 1_700_000_000, FinalizedNumber: 363_900_000, FinalizedHash: hash}}},
	} {
		record.Sequence, record.ChainId = uint64(i), preset.ChainID
		value, err := proto.Marshal(record)
		must(t, err)
		must(t, client.Append(t.Context(), topics.Log, kafka.Message{Value: value}))
	}
	db, err := clickhouse.Open(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s := sink.New(sink.Config{Preset: preset, Topics: topics, Kafka: client, DB: db, Log: slog.New(slog.DiscardHandler)})
	site, err := subgraph.Site(slog.New(slog.DiscardHandler))
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	background(t, s.Run)
	background(t, func(ctx context.Context) error {
		return analytics.Serve(ctx, listener, analytics.Config{Database: db, Log: slog.New(slog.DiscardHandler), Beside: site})
	})
	for deadline := time.Now().Add(time.Minute); s.Status().Head == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sink has written no head in a minute")
		}
	}
	return "http://" + listener.Addr().String()
}

// background runs something until the test ends, which must end well.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
}

func ask(t *testing.T, url, document string, variables map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	must(t, err)
	response, err := http.Post(url, "application/json", strings.NewReader(string(body))) //nolint:noctx // our own server
	must(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(t, err)
	return strings.TrimSpace(string(answer))
}
