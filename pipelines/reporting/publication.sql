-- publication: what a publication was made for, when, and from how many batches.
-- grain: one row, or none where the publication is not known
-- reads: ops.publication

select publication_id, as_of_date, published_at, batch_count
from ops.publication
where publication_id = $publication_id
