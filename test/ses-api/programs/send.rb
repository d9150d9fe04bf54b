# Sends one task's mail twice by AWS's SDK for Ruby, version 1.
#
#     ruby send.rb PORT TASK RECIPIENT
require "aws-sdk-v1"

port, task, recipient = ARGV
ses = AWS::SimpleEmailService.new(
  simple_email_service_endpoint: "127.0.0.1", simple_email_service_port: port.to_i, use_ssl: false
)
mail = "From: App <app@sender.example>\nTo: #{recipient}\nSubject: News\nX-Task-Id: #{task}\n\nHello.\n"
2.times do
  puts ses.client.send_raw_email(raw_message: { data: mail })[:message_id]
end
