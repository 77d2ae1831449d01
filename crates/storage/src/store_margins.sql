-- One row of each category and IST day ($1 told, by $2, $3; $4): the day's row follows what is told, a new day has a new
-- one. What was not told stays; what says nothing new is not written.
WITH told AS (
    SELECT DISTINCT ON (category) * FROM jsonb_to_recordset($1::jsonb) AS x (
        category text, adhoc numeric, available numeric, collateral numeric, exposure numeric, funds numeric,
        net numeric, payin numeric, payout numeric, realised_mtm numeric, span numeric, total numeric,
        unrealised_mtm numeric, utilized numeric, stock_broker text, trading_account text)
    ORDER BY category
),
today AS (
    SELECT DISTINCT ON (m.category) m.*
    FROM tradingdb.margins m JOIN told USING (category)
    WHERE m.pseudo_account = $2 AND coalesce(m.organization_id, '') = ANY($3::text[])
      AND (m.margin_date AT TIME ZONE 'Asia/Kolkata')::date = (now() AT TIME ZONE 'Asia/Kolkata')::date
    ORDER BY m.category, m.margin_date DESC, m.id DESC
),
changed AS (
    UPDATE tradingdb.margins m
    SET adhoc = coalesce(t.adhoc, d.adhoc), available = coalesce(t.available, d.available),
        collateral = coalesce(t.collateral, d.collateral), exposure = coalesce(t.exposure, d.exposure),
        funds = coalesce(t.funds, d.funds), net = coalesce(t.net, d.net), payin = coalesce(t.payin, d.payin),
        payout = coalesce(t.payout, d.payout), realised_mtm = coalesce(t.realised_mtm, d.realised_mtm),
        span = coalesce(t.span, d.span), total = coalesce(t.total, d.total),
        unrealised_mtm = coalesce(t.unrealised_mtm, d.unrealised_mtm), utilized = coalesce(t.utilized, d.utilized),
        margin_date = now()
    FROM today d JOIN told t USING (category)
    WHERE m.id = d.id
      AND (coalesce(t.adhoc, d.adhoc), coalesce(t.available, d.available), coalesce(t.collateral, d.collateral),
           coalesce(t.exposure, d.exposure), coalesce(t.funds, d.funds), coalesce(t.net, d.net),
           coalesce(t.payin, d.payin), coalesce(t.payout, d.payout), coalesce(t.realised_mtm, d.realised_mtm),
           coalesce(t.span, d.span), coalesce(t.total, d.total), coalesce(t.unrealised_mtm, d.unrealised_mtm),
           coalesce(t.utilized, d.utilized))
          IS DISTINCT FROM
          (d.adhoc, d.available, d.collateral, d.exposure, d.funds, d.net, d.payin, d.payout, d.realised_mtm, d.span,
           d.total, d.unrealised_mtm, d.utilized)
)
INSERT INTO tradingdb.margins
    (organization_id, pseudo_account, category, adhoc, available, collateral, exposure, funds, net, payin, payout,
     realised_mtm, span, total, unrealised_mtm, utilized, stock_broker, trading_account, active, margin_date)
SELECT $4, $2, t.category, t.adhoc, t.available, t.collateral, t.exposure, t.funds, t.net, t.payin, t.payout,
       t.realised_mtm, t.span, t.total, t.unrealised_mtm, t.utilized, t.stock_broker, t.trading_account, true, now()
FROM told t
WHERE NOT EXISTS (SELECT FROM today d WHERE d.category = t.category)
