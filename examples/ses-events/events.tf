# What SES's events need to reach mailonce (docs/ses-events.md): configuration set, topic, queue, and the rights of a gateway.

variable "name" {
  type    = string
  default = "mailonce"
}

variable "existing_configuration_set" {
  description = "The one that the mails have now. It is kept, and gets an event destination. Empty: one is made."
  type        = string
  default     = ""
}

variable "role" {
  description = "The IAM role of the gateways, by its name. It gets the policy. Empty: you attach it."
  type        = string
  default     = ""
}

resource "aws_sesv2_configuration_set" "mailonce" {
  count = var.existing_configuration_set == "" ? 1 : 0

  configuration_set_name = var.name
}

data "aws_arn" "topic" {
  arn = aws_sns_topic.events.arn
}

locals {
  configuration_set     = var.existing_configuration_set == "" ? aws_sesv2_configuration_set.mailonce[0].configuration_set_name : var.existing_configuration_set
  configuration_set_arn = "arn:${data.aws_arn.topic.partition}:ses:${data.aws_arn.topic.region}:${data.aws_arn.topic.account}:configuration-set/${local.configuration_set}"
}

resource "aws_sns_topic" "events" {
  name = var.name
}

data "aws_iam_policy_document" "topic" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.events.arn]

    principals {
      type        = "Service"
      identifiers = ["ses.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "AWS:SourceAccount"
      values   = [data.aws_arn.topic.account]
    }

    condition {
      test     = "StringEquals"
      variable = "AWS:SourceArn"
      values   = [local.configuration_set_arn]
    }
  }
}

resource "aws_sns_topic_policy" "events" {
  arn    = aws_sns_topic.events.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sesv2_configuration_set_event_destination" "mailonce" {
  # SES tries the topic when the destination is made.
  depends_on = [aws_sns_topic_policy.events]

  configuration_set_name = local.configuration_set
  event_destination_name = "mailonce"

  event_destination {
    enabled              = true
    matching_event_types = ["SEND", "DELIVERY", "DELIVERY_DELAY", "BOUNCE", "COMPLAINT", "REJECT"]

    sns_destination {
      topic_arn = aws_sns_topic.events.arn
    }
  }
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "events" {
  name                       = var.name
  message_retention_seconds  = 345600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    # An event may have to wait for the end of an attempt, and is received again and again meanwhile.
    maxReceiveCount = 100
  })
}

data "aws_iam_policy_document" "queue" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.events.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_sns_topic_subscription" "events" {
  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events.arn
  raw_message_delivery = true

  depends_on = [aws_sqs_queue_policy.events]
}

data "aws_iam_policy_document" "gateway" {
  # Beside the right to send for the identities, which a gateway has already.
  statement {
    actions   = ["ses:SendEmail", "ses:SendRawEmail"]
    resources = [local.configuration_set_arn]
  }

  statement {
    actions = [
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
      "sqs:ChangeMessageVisibility",
      "sqs:GetQueueAttributes",
    ]
    resources = [aws_sqs_queue.events.arn]
  }

  statement {
    actions   = ["ses:GetConfigurationSetEventDestinations"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "gateway" {
  name   = "${var.name}-events"
  policy = data.aws_iam_policy_document.gateway.json
}

resource "aws_iam_role_policy_attachment" "gateway" {
  count = var.role == "" ? 0 : 1

  role       = var.role
  policy_arn = aws_iam_policy.gateway.arn
}

output "queue_url" {
  value = aws_sqs_queue.events.url
}

output "configuration_set_name" {
  value = local.configuration_set
}

output "gateway_policy_arn" {
  value = aws_iam_policy.gateway.arn
}
