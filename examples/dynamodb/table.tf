# The table of a ledger that several gateways share, and the rights of a gateway on it (docs/dynamodb.md).

variable "table_name" {
  type    = string
  default = "mailonce"
}

resource "aws_dynamodb_table" "ledger" {
  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "id"

  attribute {
    name = "id"
    type = "B"
  }

  attribute {
    name = "doubt"
    type = "B"
  }

  global_secondary_index {
    name               = "doubt"
    hash_key           = "doubt"
    projection_type    = "INCLUDE"
    non_key_attributes = ["changedAt"]
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  # Without the table every mail of the retention may go twice.
  lifecycle {
    prevent_destroy = true
  }
}

data "aws_iam_policy_document" "gateway" {
  statement {
    actions = [
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:BatchGetItem",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
    ]
    resources = [aws_dynamodb_table.ledger.arn]
  }

  statement {
    actions   = ["dynamodb:Scan"]
    resources = ["${aws_dynamodb_table.ledger.arn}/index/doubt"]
  }
}

resource "aws_iam_policy" "gateway" {
  name   = "${var.table_name}-gateway"
  policy = data.aws_iam_policy_document.gateway.json
}
